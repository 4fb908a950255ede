"""A user's image as the cascade sees it: grey levels or colours in 0..1, with the way back to its own unit.

A CT is shown through the window that the cascade was trained with (`slices.CT_WINDOW`), any other scan between two of its own
percentiles. Both are kept, with the distance between pixels, so that a picture made from it can be read in the image's unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from oddpixel.errors import UsageError
from oddpixel.image import Image, Unreadable

from .sizes import Grid
from .training.slices import CT_WINDOW

PERCENTILES = (0.5, 99.5)
AREA = 512 * 512


@dataclass(frozen=True, eq=False)
class Reference:
    """Arguments:
    pixels: in 0..1.
    window: the values of 0 and 1 in the image's unit.
    spacing_mm: between rows and columns.
    """

    pixels: Float[Tensor, "1 3 _h _w"]
    name: str
    sha256: str
    unit: str
    window: tuple[float, float]
    spacing_mm: tuple[float, float] | None

    @property
    def size(self) -> Grid:
        return self.pixels.shape[2], self.pixels.shape[3]

    def facts(self, size: Grid) -> dict[str, Any]:
        """What the record of a picture of that size says of it."""
        scaled = None
        if self.spacing_mm is not None:
            scaled = [mm * of / to for mm, of, to in zip(self.spacing_mm, self.size, size, strict=True)]
        return {
            "image": self.name,
            "sha256": self.sha256,
            "unit": self.unit,
            "window": list(self.window),
            "spacing_mm": scaled,
        }


def read_reference(place: str) -> Reference:
    """The one image of a place. Raises: UnreadableInput, UsageError."""
    from oddpixel.datasets.source import open_source

    images = list(open_source(place))
    if len(images) != 1:
        raise UsageError(f"{place} holds {len(images)} images; name one")
    if isinstance(images[0], Unreadable):
        raise images[0].error
    return reference_of(images[0])


def reference_of(image: Image) -> Reference:
    low, high = _window(image)
    grey = np.nan_to_num((image.pixels - low) / max(high - low, 1e-12)).clip(0, 1).astype(np.float32)
    channels = grey[:3] if len(grey) >= 3 else np.repeat(grey[:1], 3, axis=0)
    pixels = torch.from_numpy(np.ascontiguousarray(channels))[None]
    return Reference(pixels, image.source, image.sha256, image.unit, (low, high), image.spacing_mm)


def size_like(size: Grid) -> Grid:
    """The proportions of that size at an area of 512 x 512, in multiples of 16 pixels."""
    factor = (AREA / (size[0] * size[1])) ** 0.5
    height, width = (max(16 * round(side * factor / 16), 16) for side in size)
    return height, width


def _window(image: Image) -> tuple[float, float]:
    if image.unit == "display":
        return 0.0, 1.0
    if image.unit == "HU":
        return CT_WINDOW
    low, high = np.nanpercentile(image.pixels, PERCENTILES)
    return float(low), float(high)
