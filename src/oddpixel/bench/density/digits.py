"""The bundled digits model on test digits it never saw (`oddpixel bench digits`).

Bits/dim by one pass and by the identity with bootstrap intervals; how well the one-pass likelihood tells digits from
inverted digits, textures and rendered letters, beside what the size of a PNG tells; and a sheet of samples.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from oddpixel.bench import Report
from oddpixel.bench.intervals import interval
from oddpixel.datasets.small_images import load_small
from oddpixel.errors import MissingFile
from oddpixel.forensics.density.flat import Flat
from oddpixel.forensics.density.identity import identity_log_likelihood, looseness_of_cut
from oddpixel.forensics.density.model import SampleRequest
from oddpixel.forensics.density.samplers import samplers_for
from oddpixel.forensics.density.sampling import sheet
from oddpixel.forensics.density.store import load_flat
from oddpixel.provenance import save_synthetic

OTHERS = 500
SAMPLES_PER_ROW = 16


def run(
    model: str = "digits", num_identity: int = 200, seed: int = 0, sheet_path: Path | None = Path("docs/digits.png")
) -> Report:
    """Measure bits/dim of held-out digits, how well it separates other pictures, and draw samples."""
    loaded = load_flat(model)
    values, _ = load_small("digits", "test")
    digits = torch.from_numpy(values)
    one_pass = bits_per_dim(loaded, digits, seed)
    identity = _identity(loaded, digits[:num_identity], seed)
    likelihood = [
        {"measure": "one pass", "images": len(one_pass), **_mean_and_interval(one_pass, seed)},
        {"measure": "identity", "images": len(identity), **_mean_and_interval(identity, seed)},
        {
            "measure": "one pass, same images",
            "images": len(identity),
            **_mean_and_interval(one_pass[: len(identity)], seed),
        },
        {"measure": "looseness of the cut, at most", "bits_per_dim": looseness_of_cut(loaded)},
        {"measure": "PNG", "images": len(values), **_mean_and_interval(png_bits_per_dim(values), seed)},
    ]
    odd = [_against(loaded, name, others, values, one_pass, seed) for name, others in others_by_name(seed)]
    if sheet_path is not None:
        _write_sheet(loaded, values, sheet_path, seed)
    return Report(tables={"likelihood": likelihood, "odd against digits": odd}, seed=seed)


def bits_per_dim(model: Flat, values: torch.Tensor, seed: int) -> np.ndarray:
    """Bits per dimension by one pass, dequantised with seeded noise."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    with torch.no_grad():
        for part in values.split(100):
            x = model.quanta.to_model(part, generator)
            parts.append(model.quanta.bits_per_dim(model.log_likelihood(x), x[0].numel()))
    return torch.cat(parts).numpy()


def _identity(model: Flat, values: torch.Tensor, seed: int) -> np.ndarray:
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for part in values.split(50):
        x = model.quanta.to_model(part, generator)
        nats = identity_log_likelihood(model, x, generator=generator)
        parts.append(model.quanta.bits_per_dim(nats, x[0].numel()))
    return torch.cat(parts).numpy()


def _against(
    model: Flat, name: str, others: np.ndarray, digits: np.ndarray, digit_bits: np.ndarray, seed: int
) -> dict[str, Any]:
    bits = bits_per_dim(model, torch.from_numpy(others), seed)
    truth = np.r_[np.zeros(len(digits)), np.ones(len(others))]
    png = np.r_[png_bits_per_dim(digits), png_bits_per_dim(others)]
    return {
        "others": name,
        "images": len(others),
        "bits_per_dim": float(bits.mean()),
        "auroc_one_pass": float(roc_auc_score(truth, np.r_[digit_bits, bits])),
        "auroc_png_size": float(roc_auc_score(truth, png)),
    }


def others_by_name(seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Pictures that are no digits, 28 x 28 grey levels: inverted validation digits, texture crops, rendered letters."""
    yield "inverted digits", 255 - load_small("digits", "validation")[0][:OTHERS]
    yield "textures", _textures(seed)
    yield "rendered letters", _letters(seed)


def _textures(seed: int) -> np.ndarray:
    """Crops of brick, grass and gravel (scikit-image), reduced 2 x."""
    try:
        from skimage import data
    except ImportError as error:
        raise MissingFile("bench digits takes its textures from scikit-image: pip install scikit-image") from error
    rng = np.random.default_rng(seed)
    sources = [data.brick(), data.grass(), data.gravel()]
    crops = []
    for k in range(OTHERS):
        source = sources[k % 3]
        top, left = rng.integers(0, np.array(source.shape) - 56)
        crop = source[top : top + 56, left : left + 56].reshape(28, 2, 28, 2).mean((1, 3))
        crops.append(np.rint(crop).astype(np.uint8)[None])
    return np.stack(crops)


def _letters(seed: int) -> np.ndarray:
    """White capital letters on black in Pillow's own font, at the digits' size, slightly moved and turned."""
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    rng = np.random.default_rng(seed)
    font = ImageFont.load_default(size=22)
    letters = []
    for k in range(OTHERS):
        page = Pillow.new("L", (28, 28))
        x, y = 14 + rng.uniform(-2, 2, 2)
        ImageDraw.Draw(page).text((x, y), chr(ord("A") + k % 26), fill=255, font=font, anchor="mm")
        letters.append(np.asarray(page.rotate(float(rng.uniform(-12, 12)), Pillow.Resampling.BICUBIC))[None])
    return np.stack(letters)


def png_bits_per_dim(values: np.ndarray) -> np.ndarray:
    """Bits per pixel of the compressed pixel data of a PNG: a codec's view, and the control for mere complexity."""
    from PIL import Image as Pillow

    sizes = []
    for value in values:
        buffer = io.BytesIO()
        Pillow.fromarray(value[0]).save(buffer, "PNG", optimize=True)
        sizes.append(8 * buffer.tell() / value.size)
    return np.array(sizes)


def _mean_and_interval(values: np.ndarray, seed: int) -> dict[str, Any]:
    """Mean and a 95 % bootstrap interval over images."""
    low, high = interval(lambda drawn: float(values[drawn].mean()), len(values), seed)
    return {"bits_per_dim": float(values.mean()), "low": low, "high": high}


def _write_sheet(model: Flat, values: np.ndarray, path: Path, seed: int) -> None:
    """First row real test digits, then a row for every sampler."""
    rows = [values[:SAMPLES_PER_ROW]]
    for name in samplers_for(model.schedule):
        rows.append(
            model.sample(SampleRequest(count=SAMPLES_PER_ROW, sampler=name, steps=100, seed=seed))
            .values.numpy()
            .astype(np.uint8)
        )
    strips = [sheet(row.transpose(0, 2, 3, 1), columns=SAMPLES_PER_ROW) for row in rows]
    picture = np.concatenate(strips)[..., 0].repeat(2, axis=0).repeat(2, axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    named = ", ".join(["real", *samplers_for(model.schedule)])
    save_synthetic(path, picture, f"digits model; rows: {named}; seed {seed}")
