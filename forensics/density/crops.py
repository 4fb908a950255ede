"""Photographs in memory, and crops of them for training a pyramid: every place equally often, at every scale.

An example is a cell of a grid over one photograph. The crop around it starts at a random offset, and is as large as the
scale that it trains needs; where a photograph is smaller, the crop ends at its border.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from oddpixel.errors import InvalidImage
from oddpixel.image import Image, Unreadable

CELL = 64  # pixels


@dataclass(frozen=True, eq=False)
class Photographs:
    """Arguments:
    pixels: `[c, h, w]` each, 0..255.
    about: title, licence, attribution: for the card of what is trained on them.
    """

    pixels: Sequence[UInt8[np.ndarray, "c h w"]]
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def cells(self) -> list[tuple[int, int, int]]:
        """(photograph, top, left) of every cell."""
        return [
            (index, top, left)
            for index, picture in enumerate(self.pixels)
            for top in range(0, max(picture.shape[1] - CELL // 2, 1), CELL)
            for left in range(0, max(picture.shape[2] - CELL // 2, 1), CELL)
        ]

    @property
    def megapixels(self) -> float:
        return sum(picture[0].size for picture in self.pixels) / 1e6

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for picture in self.pixels:
            digest.update(str(picture.shape).encode())
            digest.update(picture.tobytes())
        return digest.hexdigest()

    def crop(self, cell: tuple[int, int, int], side: int, shift: tuple[float, float]) -> UInt8[np.ndarray, "c s s"]:
        """A square around the cell, moved by up to a cell, mirrored where the photograph ends."""
        index, top, left = cell
        picture = self.pixels[index]
        rows, columns = (
            _window(start + int(part * CELL) + (CELL - side) // 2, side, length)
            for start, part, length in zip((top, left), shift, picture.shape[1:], strict=True)
        )
        return picture[:, rows[:, None], columns[None, :]]


def photographs(
    images: Iterable[Image | Unreadable], channels: int, reduce: int, about: dict[str, Any] | None = None
) -> Photographs:
    """Every readable display image, reduced by averaging areas and rounded to 8 bits.

    Raises: InvalidImage where none is left.
    """
    kept, skipped = [], 0
    for image in images:
        if isinstance(image, Unreadable) or image.unit != "display" or min(image.pixels.shape[1:]) < reduce * CELL:
            skipped += 1
            continue
        kept.append(reduced(image, channels, reduce))
    if not kept:
        raise InvalidImage(f"no display image of at least {reduce * CELL} pixels a side ({skipped} were skipped)")
    return Photographs(kept, {**(about or {}), "skipped": skipped})


def reduced(image: Image, channels: int, factor: int) -> UInt8[np.ndarray, "c h w"]:
    """`image` with both sides divided by `factor`, the remainder cut off."""
    pixels = image.pixels
    if channels == 1 and len(pixels) == 3:
        pixels = np.tensordot(np.array([0.299, 0.587, 0.114], np.float32), pixels, 1)[None]  # BT.601 luma
    if channels == 3 and len(pixels) == 1:
        pixels = pixels.repeat(3, 0)
    height, width = (side // factor for side in pixels.shape[1:])
    whole = pixels[:, : height * factor, : width * factor]
    small = whole.reshape(channels, height, factor, width, factor).mean((2, 4))
    return np.rint(small * 255).clip(0, 255).astype(np.uint8)


def dequantised(values: Sequence[np.ndarray], generator: torch.Generator) -> Float[Tensor, "b c h w"]:
    """Grey levels with uniform noise of one quantum."""
    x = torch.from_numpy(np.stack(values)).float()
    return x + torch.rand(x.shape, generator=generator)


def _window(start: int, side: int, length: int) -> np.ndarray:
    """`side` indices from `start` on inside 0..length: moved inside where they fit, else mirrored at the ends."""
    if side <= length:
        start = min(max(start, 0), length - side)
        return np.arange(start, start + side)
    period = np.arange(start, start + side) % (2 * length)
    return np.where(period < length, period, 2 * length - 1 - period)
