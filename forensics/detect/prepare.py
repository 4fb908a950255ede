"""An image as a detector sees it: in the unit, channels and size of its density model, always by the same steps.

What changes an image before it is judged is part of the signal (resizing, windows, codecs shift likelihoods more than disease
does), so there is one way, the same for fitting, calibrating and flagging, and it is written into `detector.json`:

    Hounsfield units for a display model: grey = (HU + 1024) / 16 of 255, never a window
    MR and other arbitrary units: the image's own 0.5th to 99.5th percentile to 0..255
    colour for a one-channel model: BT.601 luma;  grey for a three-channel model: three times the same
    longer side over `side`: reduced by area averages to `side`;  then rounded to whole grey levels or HU
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float32

from oddpixel.errors import InvalidImage
from oddpixel.forensics.density.dequantised import UNITS
from oddpixel.image import Image, Unit, Unreadable

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601
SMALLEST_SIDE = 16
Pixels = Float32[np.ndarray, "_c _h _w"]


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Arguments:
    unit, channels: the density model's.
    side: the longer side, at most.
    """

    unit: Unit
    channels: int
    side: int

    def __call__(self, image: Image | Unreadable) -> Image:
        """Raises: InvalidImage (NaN, too small, a unit that the model cannot take), or the error of an unreadable image."""
        pixels = image.pixels  # an unreadable image raises its error here
        assert isinstance(image, Image)
        if not np.isfinite(pixels).all():
            raise InvalidImage(f"{image.source} holds NaN or infinite values; mask or replace them first")
        if min(pixels.shape[1:]) < SMALLEST_SIDE:
            raise InvalidImage(f"{image.source} is {pixels.shape[1:]} pixels; a detector needs {SMALLEST_SIDE} a side")
        pixels = self._resized(self._coloured(self._in_unit(image)))
        quantum = np.float32(1 / 255 if self.unit == "display" else 1)
        pixels = np.rint(pixels / quantum) * quantum
        meta = {name: value for name, value in image.meta.items() if name not in ("slope", "display")}
        meta["original_size"] = image.pixels.shape[1:]
        bits = 8 if self.unit == "display" else 16
        return replace(image, pixels=pixels.astype(np.float32), bits=bits, unit=self.unit, meta=meta)

    def _in_unit(self, image: Image) -> Pixels:
        if image.unit == self.unit:
            return image.pixels
        if self.unit != "display":
            raise InvalidImage(f"{image.source} is in unit {image.unit}, but the model takes {self.unit} only")
        if image.unit == "HU":
            gain, zero = UNITS["HU"]
            grey = (image.pixels * gain + zero) / UNITS["display"][0]
        else:
            low, high = np.percentile(image.pixels, (0.5, 99.5))
            grey = (image.pixels - low) / max(high - low, 1e-12)
        return np.clip(grey, 0, 1).astype(np.float32)

    def _coloured(self, pixels: Pixels) -> Pixels:
        if len(pixels) == self.channels:
            return pixels
        if len(pixels) == 1:
            return np.repeat(pixels, self.channels, 0)
        return np.tensordot(LUMA, pixels[:3], 1)[None]

    def _resized(self, pixels: Pixels) -> Pixels:
        height, width = pixels.shape[1:]
        if max(height, width) <= self.side:
            return pixels
        factor = self.side / max(height, width)
        return resized(pixels, (max(round(height * factor), 1), max(round(width * factor), 1)))


def resized(pixels: Pixels, size: tuple[int, int]) -> Float32[np.ndarray, "c p q"]:
    """By area averages where it gets smaller, bilinear where larger."""
    smaller = size[0] * size[1] < pixels.shape[1] * pixels.shape[2]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.stack([cv2.resize(np.ascontiguousarray(plane), size[::-1], interpolation=method) for plane in pixels])
