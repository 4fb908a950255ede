"""Planted anomalies: an image with something done to it, and the exact mask of where.

    planted = plant("splice", image, donor=other, strength=0.5, seed=3)

The kinds live in `tamper` (what forgers do to photographs), `lesions` (in slices of bodies) and `defects` (of products).
A kind is a function of a `Canvas` that returns the new pixels and the mask. Everything random comes from the seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Float32

from oddpixel.discover import discover
from oddpixel.errors import InvalidImage, UsageError
from oddpixel.image import Image

LARGEST = 0.9  # of the shorter side, for a shape that is to lie inside
SMALLEST_SIDE = 32  # pixels; below, no region is both inside the image and visible

Pixels = Float32[np.ndarray, "c h w"]
Mask = Bool[np.ndarray, "h w"]


@dataclass(frozen=True, eq=False)
class Planted:
    """An image with a planted anomaly, and the exact mask of where it is.

    Arguments:
        image: as it is now; same group as before, so that both fall on one side of every split.
        mask: True where something was done. Outside, pixels are as they were, but for kinds that recompress all of it.
    """

    image: Image
    mask: Mask
    kind: str
    strength: float
    seed: int


@dataclass(frozen=True, eq=False)
class Canvas:
    """What a kind of planting works on: an image, a source of randomness, and how much to change.

    Arguments:
        image: never changed; start from `copy()`.
        random: the only source of chance.
        strength: 0..1; each kind says what grows with it.
        donor: where spliced content comes from.
        region: where to do it, for kinds that need not choose (an organ's mask).
        size: how large, as a factor on what the kind takes by itself.
    """

    image: Image
    random: np.random.Generator
    strength: float
    donor: Image | None = None
    region: Mask | None = None
    size: float = 1.0

    @property
    def height(self) -> int:
        """Height of the image in pixels."""
        result: int = self.image.pixels.shape[1]
        return result

    @property
    def width(self) -> int:
        """Width of the image in pixels."""
        result: int = self.image.pixels.shape[2]
        return result

    @property
    def span(self) -> float:
        """Distance of the 1st and 99th percentile: the unit for contrasts, whatever the image's own unit."""
        return self.span_of(np.ones((self.height, self.width), bool))

    def span_of(self, where: Mask) -> float:
        """The same within a mask; at least one quantum."""
        low, high = np.percentile(self.image.pixels[:, where], (1, 99))
        return float(max(high - low, self.image.quantum))

    def copy(self) -> Pixels:
        """A copy of the image's pixels to change."""
        return self.image.pixels.copy()

    def blob(self, size: float, within: Mask | None = None) -> Mask:
        """A smooth random shape, `size` of the shorter side across (times the canvas's factor), wholly inside the image.

        Arguments:
            within: where its centre may lie, if anywhere there.
        """
        radius = max(min(size * self.size, LARGEST) * min(self.height, self.width) / 2, 2.0)
        row, column = self._centre(radius, within)
        rows, columns = np.mgrid[: self.height, : self.width].astype(np.float32)
        angle = np.arctan2(rows - row, columns - column)
        waves = [(k, self.random.uniform(0, 0.3 / k), self.random.uniform(0, 2 * np.pi)) for k in (1, 2, 3, 5)]
        edge = 1 + sum(height * np.cos(k * angle + phase) for k, height, phase in waves)
        shape: Mask = np.hypot(rows - row, columns - column) <= 0.62 * radius * edge
        return shape

    def _centre(self, radius: float, within: Mask | None) -> tuple[float, float]:
        margin = int(np.ceil(radius))
        inside = np.zeros((self.height, self.width), bool)
        inside[margin : self.height - margin, margin : self.width - margin] = True
        if within is not None and (inside & within).any():
            inside &= within
        candidates = np.argwhere(inside)
        if len(candidates) == 0:
            return self.height / 2, self.width / 2
        row, column = candidates[self.random.integers(len(candidates))]
        return float(row), float(column)

    def body(self) -> Mask:
        """Mask of the object by Otsu's threshold, eroded a little from its edge."""
        from scipy.ndimage import binary_erosion
        from skimage.filters import threshold_otsu

        grey = self.image.pixels.mean(0)
        foreground = grey > threshold_otsu(grey) if grey.min() < grey.max() else np.ones_like(grey, bool)
        shrunk: Mask = binary_erosion(foreground, iterations=max(min(grey.shape) // 40, 1))
        return shrunk if shrunk.any() else foreground


@dataclass(frozen=True)
class Kind:
    """One kind of planted anomaly: what it does to a canvas, giving the new pixels and the mask of what changed."""

    name: str
    act: Callable[[Canvas], tuple[np.ndarray, Mask]]


@cache
def kinds() -> dict[str, Kind]:
    """Every kind of planted anomaly, by name."""
    return discover(__name__, "KINDS")


def plant(
    kind: str,
    image: Image,
    *,
    strength: float = 0.5,
    seed: int = 0,
    donor: Image | None = None,
    region: Mask | None = None,
    size: float = 1.0,
) -> Planted:
    """Plant an anomaly. The result lies on the image's own grid of stored values, `display` images in 0..1.

    Arguments:
        strength: 0 (nothing, or next to nothing) to 1.
        donor: for `splice`: another image of as many channels.
        region: `[h, w]`, for kinds that act on a given structure (`missing-organ`, `duplicated-structure`).
        size: a factor on the extent that the kind takes by itself, 0.1 to 10.

    Raises: UsageError, InvalidImage.
    """
    if kind not in kinds():
        raise UsageError(f"unknown planted anomaly {kind!r}; choose one of {', '.join(kinds())}")
    if not 0 <= strength <= 1:
        raise UsageError(f"the strength must lie from 0 to 1, got {strength}")
    if not 0.1 <= size <= 10:
        raise UsageError(f"the size must lie from 0.1 to 10, got {size}")
    if min(image.pixels.shape[1:]) < SMALLEST_SIDE:
        raise InvalidImage(
            f"{image.source} has size {image.pixels.shape[1:]}; planting needs {SMALLEST_SIDE} pixels a side"
        )
    if region is not None and region.shape != image.pixels.shape[1:]:
        raise InvalidImage(f"the region has shape {region.shape}, the image {image.pixels.shape[1:]}")
    canvas = Canvas(image, np.random.default_rng(seed), strength, donor, region, size)
    pixels, mask = kinds()[kind].act(canvas)
    pixels = _stored(pixels, image)
    return Planted(_renamed(image, pixels, kind, strength, size, seed), mask, kind, strength, seed)


def bounded(effect: Float[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """Cut off the faint tails of a soft-edged effect: a mask shows what can be seen, not a grey level far away."""
    return np.where(np.abs(effect) < 0.05 * np.abs(effect).max(), 0, effect).astype(np.float32)


def changed(canvas: Canvas, pixels: np.ndarray) -> Mask:
    """Mask of pixels that a soft-edged effect still changes after rounding to the stored grid."""
    difference = np.abs(_stored(pixels, canvas.image) - canvas.image.pixels).max(0)
    mask: Mask = difference > canvas.image.quantum / 2
    return mask


def _stored(pixels: np.ndarray, image: Image) -> Pixels:
    """Snap to the grid of stored values; a sample that rounds to its old value keeps it exactly."""
    step = np.float32(image.quantum)
    moved = np.rint((pixels - image.pixels) / step)
    if image.unit == "display":
        snapped = np.clip(np.rint(pixels / step), 0, 2**image.bits - 1) * step
    else:
        snapped = image.pixels + moved * step
    return np.where(moved == 0, image.pixels, snapped).astype(np.float32)


def _renamed(image: Image, pixels: Pixels, kind: str, strength: float, size: float, seed: int) -> Image:
    planted = {"kind": kind, "strength": strength, "size": size, "seed": seed}
    return replace(
        image,
        pixels=pixels,
        source=f"{image.source}+{kind}-{strength:g}" + (f"x{size:g}" if size != 1 else "") + f"-{seed}",
        sha256=hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest(),
        meta={**image.meta, "planted": planted},
    )
