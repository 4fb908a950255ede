"""A user's image as the cascade sees it: grey levels or colours in 0..1, with the way back to its own unit.

A CT is shown through the window that the cascade was trained with (`slices.CT_WINDOW`), any other scan between two of its own
percentiles. Both are kept, with the distance between pixels, so that a picture made from it can be read in the image's unit.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from oddpixel.errors import InvalidImage, UsageError
from oddpixel.files import plain_text
from oddpixel.image import Image, Unreadable

from .sizes import MOST_OBLONG, Grid
from .training.slices import CT_WINDOW

PERCENTILES = (0.5, 99.5)
AREA = 512 * 512
LEAST = 16  # pixels a side
MOST_IMAGES = 10_000


@dataclass(frozen=True, eq=False)
class Reference:
    """A user's image in the cascade's range, with what is needed to return to its own unit.

    Arguments:
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
        """Height and width in pixels."""
        return self.pixels.shape[2], self.pixels.shape[3]

    def facts(self, size: Grid) -> dict[str, Any]:
        """JSON facts on the reference for the record of a picture of this size; the pixel spacing is scaled to it."""
        scaled = None
        if self.spacing_mm is not None:
            scaled = [mm * of / to for mm, of, to in zip(self.spacing_mm, self.size, size, strict=True)]
        return {
            "image": self.name,
            "sha256": self.sha256,
            "unit": self.unit,
            "window": list(self.window),
            "spacing_mm": scaled,
            "stretched": round(self.stretched(size), 4),
        }

    def stretched(self, size: Grid) -> float:
        """How much higher its things get in a picture of this size, for their width; 1 where the proportions are kept."""
        return size[0] * self.size[1] / (self.size[0] * size[1])


def read_reference(place: str) -> Reference:
    """Read the one image of a place, or image 7 of several as `PLACE#7`. Raises: UnreadableInput, UsageError."""
    from oddpixel.datasets.source import open_source

    base, mark, number = place.rpartition("#")
    is_frame = bool(mark) and number.isdecimal() and len(number) < 7 and not os.path.lexists(place)
    source = open_source(base if is_frame else place)
    wanted = int(number) if is_frame else 0
    images = list(itertools.islice(source, MOST_IMAGES if is_frame else 2))
    if not is_frame and len(images) != 1:
        problem = f"several images; name one, such as {place}#0" if images else "no image"
        raise UsageError(f"{place} holds {problem}")
    if wanted >= len(images):
        raise UsageError(f"{base} holds {len(images)} images, counted from 0; there is no image {wanted}")
    image = images[wanted]
    if isinstance(image, Unreadable):
        raise image.error
    return reference_of(image)


def reference_of(image: Image) -> Reference:
    """Convert an image to a reference: 0..1 between the limits of its window.

    Raises: InvalidImage where a picture must not or cannot be made like it.
    """
    if image.may_show_text:
        raise InvalidImage(
            f"{image.source} may show text in its pixels, such as a patient's name; a picture made from it could show the same"
        )
    if min(image.pixels.shape[1:]) < LEAST:
        raise InvalidImage(
            f"{image.source} has a side of {min(image.pixels.shape[1:])} pixels; a reference has {LEAST} or more"
        )
    low, high = _window(image)
    grey = np.nan_to_num((image.pixels - low) / max(high - low, 1e-12)).clip(0, 1).astype(np.float32)
    channels = grey[:3] if len(grey) >= 3 else np.repeat(grey[:1], 3, axis=0)
    pixels = torch.from_numpy(np.ascontiguousarray(channels))[None]
    return Reference(pixels, plain_text(image.source), image.sha256, image.unit, (low, high), image.spacing_mm)


def size_like(size: Grid) -> Grid:
    """An output size of the same proportions: an area of 512 x 512, in multiples of 16 pixels. Raises: UsageError."""
    if max(size) / min(size) > MOST_OBLONG:
        raise UsageError(
            f"the image's aspect ratio ({size[0]} x {size[1]}) exceeds {MOST_OBLONG:g} to 1; give a --size, or crop the image"
        )
    factor = (AREA / (size[0] * size[1])) ** 0.5
    height, width = (max(16 * round(side * factor / 16), 16) for side in size)
    return height, width


def _window(image: Image) -> tuple[float, float]:
    if image.unit == "display":
        return 0.0, _white(image)
    if image.unit == "HU":
        return CT_WINDOW
    low, high = np.nanpercentile(image.pixels, PERCENTILES)
    return float(low), float(high)


def _white(image: Image) -> float:
    """White in 0..1: of 16 bits that hold fewer (a camera's 10 or 12), the largest value of those."""
    top = 2**image.bits - 1
    if image.bits <= 8:
        return 1.0
    used = max(round(float(np.nan_to_num(image.pixels).max()) * top).bit_length(), 8)
    return float((2 ** min(used, image.bits) - 1) / top)
