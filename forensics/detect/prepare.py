"""An image as a detector sees it: in the unit of its density model, in colour where it has any, always by the same steps.

What changes an image before it is judged is part of the signal (resizing, windows, codecs shift likelihoods more than disease
does), so there is one way, the same for fitting, calibrating and flagging, and it is written into `detector.json`:

    Hounsfield units for a display model: grey = (HU + 1024) / 16 of 255, never a window
    16 bits of no declared depth, MR and other arbitrary units: the range that the normals have (`levels`)
    more than three channels: the first three;  two (grey and something else): the first
    colour for a one-channel density model: BT.601 luma;  grey for a three-channel one: three times the same (`as_grey`)
    longer side over `side`: reduced by area averages to `side`;  then rounded to whole grey levels or HU
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float32

from oddpixel.errors import InvalidImage
from oddpixel.forensics.density.dequantised import UNITS
from oddpixel.image import Image, Unit, Unreadable

from .levels import WARNING, Extent, Levels, Range, as_stored, grey, losses, needs_levels, range_of

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601
SMALLEST_SIDE = 16
NOT_HU = {
    "display": "its values are grey levels or colours, not Hounsfield units",
    "modality": "its values are not known to be Hounsfield units: those of an original CT image with RescaleSlope and "
    "RescaleIntercept are, those of derived, secondary and other images are not",
}
UNIT_NAMES: dict[Unit | None, str] = {
    "display": "grey levels or colours", "HU": "Hounsfield units", "modality": "of a scanner's own unit",
}  # fmt: skip
HU_REMEDY = "give such CT images, or fit a detector with --model photo-grey"
Pixels = Float32[np.ndarray, "_c _h _w"]


@dataclass(frozen=True, eq=False)
class Reduced:
    """An image at the model's size and channels, before its values are brought to levels.

    Arguments:
        image: at the model's size and channels.
        original_unit: that the original came in.
        extent: of the values of the original, where they are yet to be brought to levels: then `image` has them as they
            are stored.
    """

    image: Image
    original_unit: Unit
    extent: Extent | None


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """The steps that bring an image to the unit of the density model, and to the detector's size.

    Arguments:
        unit: the density model's.
        side: the longer side, at most.
        levels: learned from the normals; None where none was needed.
        depths: that the normals declare, in bits; None where no version of OddPixel kept them.
        came_in: the unit that the normals came in; None where that was not kept.
        obeys_depth: False for detectors of versions that took 16 bits by the width of the container.
    """

    unit: Unit
    side: int
    levels: Levels | None = None
    depths: tuple[int, ...] | None = None
    came_in: Unit | None = None
    obeys_depth: bool = True

    def __call__(self, image: Image | Unreadable) -> Image:
        """Prepare an image, noting what it loses.

        Raises: InvalidImage (NaN, too small, a unit or depth that the detector cannot take), or an unreadable's error.
        """
        reduced = self.reduced(image)
        assert isinstance(image, Image)
        prepared = self.levelled(reduced)
        notes = [*image.notes, *self._other_unit(image), *self._losses(image, reduced.extent)]
        return replace(prepared, meta=dict(prepared.meta) | {"notes": notes}) if notes else prepared

    def reduced(self, image: Image | Unreadable) -> Reduced:
        """At the model's size and channels, before its levels have to be known. Raises: as above."""
        pixels = image.pixels  # an unreadable image raises its error here
        assert isinstance(image, Image)
        if not np.isfinite(pixels).all():
            raise InvalidImage(f"{image.source} holds NaN or infinite values; mask or replace them first")
        if min(pixels.shape[1:]) < SMALLEST_SIDE:
            raise InvalidImage(f"{image.source} is {pixels.shape[1:]} pixels; a detector needs {SMALLEST_SIDE} a side")
        extent = Extent.of(image) if self._needs_levels(image) else None
        meta = {name: value for name, value in image.meta.items() if name not in ("slope", "display")}
        meta["original_size"] = pixels.shape[1:]
        small = self._resized(self._coloured(self._in_unit(image)))
        return Reduced(replace(image, pixels=small, meta=meta, valid=None), image.unit, extent)

    def levelled(self, reduced: Reduced) -> Image:
        """Whole grey levels or HU of the model. Raises: InvalidImage."""
        pixels = reduced.image.pixels
        if reduced.extent is not None:
            taken = self._range_of(reduced.extent)
            pixels = grey(pixels, taken.low, taken.high)
        quantum = np.float32(1 / 255 if self.unit == "display" else 1)
        pixels = np.rint(pixels / quantum) * quantum
        bits = 8 if self.unit == "display" else 16
        return replace(reduced.image, pixels=pixels.astype(np.float32), bits=bits, unit=self.unit)

    def learned_from(self, normals: Sequence[Reduced]) -> Preparation:
        """The same with the levels that these normals have in common, and the depths that they declare."""
        declared = {each.image.bits for each in normals if each.extent is None and each.original_unit == "display"}
        extents = [each.extent for each in normals if each.extent is not None]
        return replace(
            self,
            levels=Levels.learned(extents),
            depths=tuple(sorted(declared)),
            came_in=normals[0].original_unit if normals else None,
        )

    def _range_of(self, extent: Extent) -> Range:
        return range_of(extent, self.levels, self.depths)

    def _other_unit(self, image: Image) -> list[str]:
        """A warning where the values mean something else than those of the normals."""
        if self.came_in in (None, image.unit):
            return []
        return [f"{WARNING}its values are {UNIT_NAMES[image.unit]}, those of the normals {UNIT_NAMES[self.came_in]}"]

    def _losses(self, image: Image, extent: Extent | None) -> list[str]:
        """What the image loses on the way to the model's levels."""
        if extent is not None:
            return losses(image, self._range_of(extent))
        if image.unit == "HU" and self.unit == "display":
            gain, zero = UNITS["HU"]
            shown = Range(low=-zero / gain, high=(UNITS["display"][0] - zero) / gain, source="what CT is shown in")
            return losses(image, shown)
        return []

    def _needs_levels(self, image: Image) -> bool:
        return needs_levels(image, self.unit) and (self.obeys_depth or image.unit != "display")

    def _in_unit(self, image: Image) -> Pixels:
        if self._needs_levels(image):
            return as_stored(image.pixels, image.unit)
        if image.unit == self.unit:
            return image.pixels
        if self.unit != "display" or image.unit != "HU":
            raise InvalidImage(f"{NOT_HU[image.unit]}, and this detector's model takes those only; {HU_REMEDY}")
        gain, zero = UNITS["HU"]
        levels = (image.pixels * gain + zero) / UNITS["display"][0]
        return np.clip(levels, 0, 1).astype(np.float32)

    def _coloured(self, pixels: Pixels) -> Pixels:
        return pixels[:3] if len(pixels) >= 3 else pixels[:1]

    def _resized(self, pixels: Pixels) -> Pixels:
        size = pixels.shape[1], pixels.shape[2]
        target = reduced_size(size, self.side)
        return pixels if target == size else resized(pixels, target)


def reduced_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Height and width with a longer side of at most that many pixels."""
    if max(size) <= side:
        return size
    factor = side / max(size)
    height, width = (max(round(length * factor), 1) for length in size)
    return height, width


def as_grey(image: Image, channels: int) -> Image:
    """A prepared image in the channels of a density model."""
    pixels = image.pixels
    if len(pixels) == channels:
        return image
    if channels == 1:
        quantum = np.float32(image.quantum)
        grey_pixels = np.rint(np.tensordot(LUMA, pixels, 1)[None] / quantum) * quantum
        return replace(image, pixels=grey_pixels.astype(np.float32))
    return replace(image, pixels=np.repeat(pixels, channels, 0))


def resized(pixels: Pixels, size: tuple[int, int]) -> Float32[np.ndarray, "c p q"]:
    """By area averages where it gets smaller, bilinear where larger."""
    smaller = size[0] * size[1] < pixels.shape[1] * pixels.shape[2]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.stack([cv2.resize(np.ascontiguousarray(plane), size[::-1], interpolation=method) for plane in pixels])
