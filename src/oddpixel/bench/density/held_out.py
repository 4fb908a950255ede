"""Photographs that no model has seen: the test roles of packages, reduced twice by averaging, and what codecs need for them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import imagecodecs
import numpy as np
from jaxtyping import UInt8

from oddpixel.datasets.source import open_source
from oddpixel.forensics.density.crops import reduced
from oddpixel.image import Image

PACKAGES = ("photographs", "interiors", "nature", "photographs-share-alike", "animals")
LARGEST = 4.2e6  # pixels, once reduced


@dataclass(frozen=True, eq=False)
class Photograph:
    """One held-out photograph in 8 bits.

    Arguments:
        values: uint8 `[c, h, w]`.
    """

    package: str
    name: str
    values: UInt8[np.ndarray, "c h w"]

    def as_image(self, window: UInt8[np.ndarray, "c p q"] | None = None) -> Image:
        """The photograph, or a window of it, as an `Image` with values in 0..1."""
        values = self.values if window is None else window
        sha256 = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
        return Image(values.astype(np.float32) / 255, 8, "display", None, self.name, sha256, self.name)


def photographs(role: str, channels: int = 3, at_most: int = 3, reduce: int = 2) -> Iterator[Photograph]:
    """At most so many photographs of each package, the first by name.

    Raises: MissingFile where a corpus was not fetched.
    """
    for package in PACKAGES:
        count = 0
        for image in open_source(f"corpus:{package}/{role}"):
            if count == at_most or not isinstance(image, Image) or min(image.pixels.shape[1:]) < reduce * 200:
                continue
            values = reduced(image, channels, reduce)
            if values[0].size <= LARGEST:
                count += 1
                yield Photograph(package, image.source, values)


def _interleaved(values: UInt8[np.ndarray, "c h w"]) -> UInt8[np.ndarray, "..."]:
    pixels = np.ascontiguousarray(values.transpose(1, 2, 0))
    return pixels if pixels.shape[2] == 3 else pixels[..., 0]


def _webp(values: UInt8[np.ndarray, "c h w"]) -> bytes:
    pixels = np.ascontiguousarray(values.transpose(1, 2, 0))
    # WebP knows no grey; equal channels cost it nothing.
    return bytes(imagecodecs.webp_encode(pixels if len(values) == 3 else pixels.repeat(3, 2), lossless=True, level=6))


CODECS: dict[str, Callable[[UInt8[np.ndarray, "c h w"]], bytes]] = {
    "png": lambda values: bytes(imagecodecs.png_encode(_interleaved(values), level=9)),
    "webp": _webp,
    "jpeg_xl": lambda values: bytes(imagecodecs.jpegxl_encode(_interleaved(values), lossless=True, effort=7)),
}


def codec_bits(values: UInt8[np.ndarray, "c h w"]) -> dict[str, float]:
    """The bits per sample that lossless codecs need, headers included."""
    return {name: 8 * len(encode(values)) / values.size for name, encode in CODECS.items()}
