"""The bundled digits model on test digits it never saw (`oddpixel bench digits`).

Bits/dim by one pass and by the identity with bootstrap intervals; how well the one-pass likelihood tells digits from
inverted digits, textures and rendered letters, beside what the size of a PNG tells; and a sheet of samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from oddpixel.bench import Report
from oddpixel.datasets.small_images import load_small
from oddpixel.errors import MissingFile
from oddpixel.forensics.density.flat import Flat
from oddpixel.forensics.density.store import load_flat

from .small_images import bits_per_dim, likelihood_rows, png_bits_per_dim, write_sheet

OTHERS = 500


def run(
    model: str = "digits", num_identity: int = 200, seed: int = 0, sheet_path: Path | None = Path("docs/digits.png")
) -> Report:
    """Measure bits/dim of held-out digits, how well it separates other pictures, and draw samples."""
    loaded = load_flat(model)
    values, _ = load_small("digits", "test")
    one_pass = bits_per_dim(loaded, torch.from_numpy(values), seed)
    odd = [_against(loaded, name, others, values, one_pass, seed) for name, others in others_by_name(seed)]
    if sheet_path is not None:
        write_sheet(loaded, values, sheet_path, "digits model", seed)
    likelihood = likelihood_rows(loaded, values, num_identity, seed)
    return Report(tables={"likelihood": likelihood, "odd against digits": odd}, seed=seed)


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
