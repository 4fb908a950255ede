"""Photographs in memory, and crops of them for training a pyramid.

There are few photographs whose licence lets weights ship, and a network learns their grain by heart: what a crop shows is
varied as cameras and their owners vary it (`Variation`; `crop_source` draws them). For measuring, crops lie on a grid and nothing
is varied.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8, UInt16
from torch import Tensor

from oddpixel.counting import counted
from oddpixel.datasets.variation import toned, turned
from oddpixel.errors import InvalidImage
from oddpixel.image import Image, Unreadable

CELL = 64  # pixels
TONED, NOISY = 0.7, 0.25  # of the crops
Stored = UInt8[np.ndarray, "c _h _w"] | UInt16[np.ndarray, "c _h _w"]  # photographs differ in size
HIGHEST_HU = 4095  # stored as HU + 1024


@dataclass(frozen=True, kw_only=True)
class Variation:
    """How crops for training are varied.

    Arguments:
        area_power: a photograph is drawn with its area to this power: 1 is every place equally often.
        reductions: how often sides are divided by 1, 2, 3, ...
        tone: whether brightness, contrast, saturation and white balance vary, of reduced crops (others have stored levels).
        noise: largest standard deviation of added noise in grey levels, in one crop of four.
    """

    area_power: float = 0.45
    reductions: Sequence[float] = (0.15, 0.5, 0.2, 0.15)
    tone: bool = True
    noise: float = 3.0

    def of(
        self,
        x: Float[Tensor, "b c s s"],
        is_reduced: Bool[Tensor, "b"],
        highest: int,
        generator: torch.Generator | None,
    ) -> Float[Tensor, "b c s s"]:
        """Squares turned, mirrored, of another tone, with noise, in whole stored values."""
        draws = torch.rand(len(x), 12, generator=generator, device=x.device)
        x = turned(x, draws[:, 0], draws[:, 1])
        is_toned = is_reduced & (draws[:, 2] < TONED) & self.tone
        x = torch.where(is_toned[:, None, None, None], toned(x, highest, draws[:, 3:9]), x)
        strength = self.noise * draws[:, 10] * (draws[:, 9] < NOISY)
        noise = torch.randn(x.shape, generator=generator, device=x.device)
        return (x + strength[:, None, None, None] * noise).round().clamp(0, highest)


PLAIN = Variation(area_power=1.0, reductions=(1.0,), tone=False, noise=0.0)


@dataclass(frozen=True, eq=False)
class Photographs:
    """Training or validation photographs, decoded and held in memory.

    Arguments:
        pixels: `[c, h, w]` each, stored whole numbers from 0 to `highest`.
        quantum: grey levels between two of them.
        about: title, licence, attribution: for the card of what is trained on them.
    """

    pixels: Sequence[Stored]
    about: dict[str, Any] = field(default_factory=dict)
    highest: int = 255
    quantum: float = 1.0

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
        """Total area in millions of pixels, channels not counted."""
        result: float = sum(picture[0].size for picture in self.pixels) / 1e6
        return result

    def sha256(self) -> str:
        """Hash of all shapes and stored values, in order; identifies the data on the model card."""
        digest = hashlib.sha256()
        for picture in self.pixels:
            digest.update(str(picture.shape).encode())
            digest.update(picture.tobytes())
        return digest.hexdigest()

    def crop(self, cell: tuple[int, int, int], side: int) -> np.ndarray:
        """A square around the cell, mirrored where the photograph ends."""
        index, top, left = cell
        picture = self.pixels[index]
        rows, columns = (
            _window(start + (CELL - side) // 2, side, length)
            for start, length in zip((top, left), picture.shape[1:], strict=True)
        )
        return picture[:, rows[:, None], columns[None, :]]

    def grey(self, values: Float[Tensor, "b c h w"], generator: torch.Generator | None) -> Float[Tensor, "b c h w"]:
        """Stored values as grey levels, with uniform noise of one quantum."""
        return (values + torch.rand(values.shape, generator=generator, device=values.device)) * self.quantum


def photographs(
    images: Iterable[Image | Unreadable],
    channels: int,
    reduce: int,
    about: dict[str, Any] | None = None,
    unit: str = "display",
) -> Photographs:
    """Every readable image of that unit: display images reduced by averaging areas, 8 bits; CT as it is stored.

    Raises: InvalidImage where none is left.
    """
    kept, skipped = [], 0
    for image in images:
        if isinstance(image, Unreadable) or image.unit != unit or min(image.pixels.shape[1:]) < reduce * CELL:
            skipped += 1
            continue
        kept.append(reduced(image, channels, reduce) if unit == "display" else _stored_hu(image))
    if not kept:
        raise InvalidImage(
            f"none of {counted(skipped, 'image')} can be trained on: each side needs {reduce * CELL} pixels"
            + (" and values in Hounsfield units" if unit == "HU" else "")
        )
    about = {**(about or {}), "skipped": skipped}
    return Photographs(kept, about) if unit == "display" else Photographs(kept, about, HIGHEST_HU, 1 / 16)


def _stored_hu(image: Image) -> UInt16[np.ndarray, "c h w"]:
    result: UInt16[np.ndarray, "c h w"] = np.rint(image.pixels + 1024).clip(0, HIGHEST_HU).astype(np.uint16)
    return result


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
    result: UInt8[np.ndarray, "c h w"] = np.rint(small * 255).clip(0, 255).astype(np.uint8)
    return result


def _window(start: int, side: int, length: int) -> np.ndarray:
    """`side` indices from `start` on inside 0..length: moved inside where they fit, else mirrored at the ends."""
    if side <= length:
        start = min(max(start, 0), length - side)
        return np.arange(start, start + side)
    period = np.arange(start, start + side) % (2 * length)
    return np.where(period < length, period, 2 * length - 1 - period)
