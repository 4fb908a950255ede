"""An image as the pyramid reads it, window by window: grey levels with uniform noise of one quantum.

    display: grey = 255 v    (v in 0..1),        HU: grey = (v + 1024) / 16    (air 0, water 64, 3056 HU 255)

The noise of a sample depends on the seed and on its place alone, so any tiling sees the same image, and no copy of the whole
is made.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from oddpixel.errors import InvalidImage
from oddpixel.image import Image

UNITS = {"display": (255.0, 0.0), "HU": (1 / 16, 64.0)}  # grey levels a unit, and at zero


class Dequantised:
    """One image as dequantised grey levels, read window by window.

    Arguments:
        image: its `unit` and channels those of the model.

    Raises: InvalidImage.
    """

    def __init__(self, image: Image, unit: str, channels: int) -> None:
        if image.unit != unit:
            raise InvalidImage(f"this model takes images in unit {unit}, got {image.unit}")
        if len(image.pixels) != channels:
            raise InvalidImage(f"this model takes {channels} channels, got an array of {image.pixels.shape}")
        self.pixels, self.stored_quantum = image.pixels, image.quantum
        self.gain, self.zero = UNITS[unit]
        self.seed = int(str(image.sha256)[:15], 16)  # so that the figures of a file are its own

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[1], self.pixels.shape[2]

    @property
    def num_dims(self) -> int:
        """Number of stored values: channels times pixels."""
        return self.pixels.size

    @property
    def quantum(self) -> float:
        """Grey levels between two neighbouring stored values."""
        return self.stored_quantum * self.gain

    def read(self, window: tuple[slice, slice]) -> Float[Tensor, "1 c p q"]:
        """The grey levels of a window, with uniform noise of one quantum.

        Raises: InvalidImage where it meets NaN or infinite values.
        """
        rows, columns = (slice(*part.indices(side)) for part, side in zip(window, self.size, strict=True))
        values = self.pixels[:, rows, columns]
        if not np.isfinite(values).all():
            raise InvalidImage("the image holds NaN or infinite values; mask or replace them first")
        stored = np.rint(values / self.stored_quantum)
        grey = (stored + self._noise(rows, columns)) * self.quantum + self.zero
        return torch.from_numpy(grey.astype(np.float32))[None]

    def _noise(self, rows: slice, columns: slice) -> Float[np.ndarray, "c p q"]:
        """Uniform in 0..1: a hash of seed and place (lowbias32, C. Wellons's integer mixer, public domain)."""
        height, width = self.size
        channel, row, column = np.ogrid[: len(self.pixels), rows, columns]
        place = ((channel * height + row) * width + column).astype(np.uint32)
        x = place * np.uint32(0x9E3779B9) + np.uint32(self.seed & 0xFFFFFFFF)
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            x ^= x >> np.uint32(shift)
            x *= np.uint32(factor)
        x ^= (x >> np.uint32(16)) ^ np.uint32(self.seed >> 32 & 0xFFFFFFFF)
        return (x >> np.uint32(8)).astype(np.float32) * np.float32(2**-24)
