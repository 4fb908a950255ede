"""A flat model on small images it never saw: bits/dim by one pass, by the identity and of a PNG, and a sheet of samples."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch

from oddpixel.bench.intervals import interval
from oddpixel.forensics.density.flat import Flat
from oddpixel.forensics.density.identity import identity_log_likelihood, looseness_of_cut
from oddpixel.forensics.density.model import SampleRequest
from oddpixel.forensics.density.samplers import samplers_for
from oddpixel.forensics.density.sampling import sheet
from oddpixel.provenance import save_synthetic

SAMPLES_PER_ROW = 16


def likelihood_rows(model: Flat, values: np.ndarray, num_identity: int, seed: int) -> list[dict[str, Any]]:
    """Bits/dim of these images `[n, 1, h, w]` by every measure; the identity on the first `num_identity` of them."""
    images = torch.from_numpy(values)
    one_pass = bits_per_dim(model, images, seed)
    identity = _identity(model, images[:num_identity], seed)
    return [
        {"measure": "one pass", "images": len(one_pass), **_mean_and_interval(one_pass, seed)},
        {"measure": "identity", "images": len(identity), **_mean_and_interval(identity, seed)},
        {
            "measure": "one pass, same images",
            "images": len(identity),
            **_mean_and_interval(one_pass[: len(identity)], seed),
        },
        {"measure": "looseness of the cut, at most", "bits_per_dim": looseness_of_cut(model)},
        {"measure": "PNG", "images": len(values), **_mean_and_interval(png_bits_per_dim(values), seed)},
    ]


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


def write_sheet(model: Flat, values: np.ndarray, path: Path, title: str, seed: int) -> None:
    """First row real test images, then a row for every sampler."""
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
    save_synthetic(path, picture, f"{title}; rows: {named}; seed {seed}")
