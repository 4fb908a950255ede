"""Drawn images as files: one PNG each and a sheet of all, marked as synthetic."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from torch import Tensor

from oddpixel.provenance import save_synthetic


def write_samples(folder: Path, values: Int64[Tensor, "n c h w"], bits: int, made_by: str) -> Path:
    """One PNG an image and a sheet of all of them, each marked as synthetic; the sheet's path."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = (values.numpy() * 255 // (2**bits - 1)).astype(np.uint8).transpose(0, 2, 3, 1)
    for index, picture in enumerate(pictures):
        save_synthetic(folder / f"{index:03d}.png", _without_single_channel(picture), made_by)
    save_synthetic(folder / "sheet.png", _without_single_channel(sheet(pictures)), made_by)
    return folder / "sheet.png"


def sheet(
    pictures: UInt8[np.ndarray, "n h w c"], gap: int = 2, columns: int | None = None
) -> UInt8[np.ndarray, "H W c"]:
    """All pictures on one grid, as square as it gets unless the columns are given."""
    count, height, width, channels = pictures.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    grid = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels), 128, np.uint8)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        grid[top : top + height, left : left + width] = picture
    return grid


def _without_single_channel(picture: np.ndarray) -> np.ndarray:
    return picture[..., 0] if picture.shape[2] == 1 else picture
