"""Sheets of what a pyramid draws, at 128 and 256 pixels, marked as synthetic."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from oddpixel.forensics.density.model import SampleRequest
from oddpixel.forensics.density.pyramid import Pyramid
from oddpixel.forensics.density.sampling import sheet
from oddpixel.provenance import save_synthetic

SHEETS = ((128, 4), (256, 2))  # pixels a side, how many


def write_sheet(folder: Path, name: str, model: Pyramid, seed: int) -> None:
    """Draw samples at each size, and save them as PNG marked as synthetic."""
    folder.mkdir(parents=True, exist_ok=True)
    for side, count in SHEETS:
        values = (
            model.sample(SampleRequest(count=count, size=side, steps=100, seed=seed)).values.numpy().astype(np.uint8)
        )
        row = sheet(values.transpose(0, 2, 3, 1), columns=count)
        save_synthetic(folder / f"{name}-samples-{side}.png", row, f"model {name}, ancestral, seed {seed}")
