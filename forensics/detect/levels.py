"""Which values become black and white for a detector's networks, where the data do not say.

Samples of 8 bits, of a declared depth, or in Hounsfield units say it themselves. A container of 16 bits may hold 10, 12 or 16 of
them, and a scanner's units end nowhere: there the range is learned from the normals, kept with the detector, and an incoming
image that leaves it gets a note. The width of the container never decides.

    b = the bits that the largest values need;  [0, 2^b - 1] where that loses at most two bits, as it is for a detector's counts
    otherwise the range of the normals with a margin of a tenth to either side
    scales that differ too much between the normals (arbitrary units): each image by its own percentiles
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from jaxtyping import Float32

from oddpixel.errors import InvalidImage
from oddpixel.image import Image, Unit

CONTAINER_BITS = 16  # a depth that is the container's own, and says nothing
STORED_TOP = 2**CONTAINER_BITS - 1
TAILS = (0.05, 99.95)  # percent of an image's values; the few beyond are hot pixels as often as not
OWN_TAILS = (0.5, 99.5)  # of an image that is scaled by itself
AGREEMENT = (0.02, 0.98)  # of the normals: so many set the range
MARGIN = 0.1
# The common range may be so many times that of a usual image: then a quarter of the levels is left to it.
WIDEST = 4.0
MOST_SPARE = 4  # times the range in use; a picture looks the same in 8 and in 16 bits as long as no more is spared
FEWEST_LEVELS = 32  # of 256: with fewer left, and more that were there, a note becomes a warning
LARGEST_CLIPPED = 0.01
LEAST_USED = 1 / 8  # of the container: what uses less is no 16-bit image
MOST_COUNTED = 1_000_000  # values
WARNING = "warning: "
LEVELS_LEFT = "grey levels are left of"


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Arguments:
    unit: of the images that it is for.
    low, high: what becomes black and white, in that unit; None where each image is taken by its own percentiles.
    """

    unit: Unit
    low: float | None = None
    high: float | None = None

    @classmethod
    def learned(cls, images: Sequence[Extent]) -> Levels | None:
        """From the extents of the normals that need it; None where none does."""
        if not images:
            return None
        unit = images[0].unit
        low, high = (
            float(np.quantile([getattr(each, name) for each in images], share, method=method))  # type: ignore[call-overload]
            for name, share, method in (("low", AGREEMENT[0], "lower"), ("high", AGREEMENT[1], "higher"))
        )
        usual = float(np.median([each.high - each.low for each in images]))
        if unit != "display" and high - low > WIDEST * max(usual, 1e-12):
            return cls(unit=unit)
        return cls(unit=unit, **_rounded(unit, low, high))

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return "each image by its own percentiles: the normals share no scale"
        scale = STORED_TOP if self.unit == "display" else 1
        return f"{self.low * scale:g} to {self.high * scale:g}, learned from the normals"

    def as_json(self) -> dict[str, Any]:
        return {"unit": self.unit, "low": self.low, "high": self.high}

    @classmethod
    def of_json(cls, record: Mapping[str, Any]) -> Levels:
        """Raises: KeyError, TypeError, ValueError."""
        low, high = (None if record[name] is None else float(record[name]) for name in ("low", "high"))
        if record["unit"] not in get_args(Unit) or (low is None) != (high is None):
            raise ValueError(f"unit {record['unit']!r} from {low} to {high}")
        if low is not None and high is not None and not (np.isfinite([low, high]).all() and low < high):
            raise ValueError(f"from {low} to {high}")
        return cls(unit=record["unit"], low=low, high=high)


@dataclass(frozen=True, kw_only=True)
class Extent:
    """What values one image has.

    Arguments:
        low, high: but for a few, for what all normals have in common.
        own_low, own_high: where its own percentiles put black and white.
        largest: of all.
    """

    unit: Unit
    low: float
    high: float
    own_low: float
    own_high: float
    largest: float

    @classmethod
    def of(cls, image: Image) -> Extent:
        values = image.values()
        low, high = np.percentile(thinned(values), TAILS)
        own_low, own_high = np.percentile(values, OWN_TAILS)
        return cls(
            unit=image.unit, low=float(low), high=float(high), own_low=float(own_low), own_high=float(own_high),
            largest=float(values.max()),
        )  # fmt: skip


def needs_levels(image: Image, unit: Unit) -> bool:
    """Whether it must be known which values of this image are black and white, for a model in `unit`, and it does not say."""
    if image.unit == "display":
        return unit == "display" and image.bits >= CONTAINER_BITS
    return image.unit == "modality" and unit == "display"


def grey(pixels: Float32[np.ndarray, "*n"], low: float, high: float) -> Float32[np.ndarray, "*n"]:
    """0..1 between black and white."""
    return np.clip((pixels - np.float32(low)) / np.float32(max(high - low, 1e-12)), 0, 1)


def range_of(extent: Extent, levels: Levels | None) -> tuple[float, float]:
    """Black and white for an image of this extent. Raises: InvalidImage."""
    if levels is not None and levels.unit == extent.unit and levels.low is not None and levels.high is not None:
        _check_depth(extent, levels.low, levels.high)
        return levels.low, levels.high
    if extent.unit != "display":
        return extent.own_low, extent.own_high
    if extent.high < LEAST_USED:
        raise InvalidImage(
            f"its samples of {CONTAINER_BITS} bits reach only {round(extent.largest * STORED_TOP)}, and the detector learned "
            "from images of another depth; declare the depth (sBIT), or fit on images of this kind"
        )
    return 0.0, 1.0


def _check_depth(extent: Extent, low: float, high: float) -> None:
    """A picture of two bits more or three bits fewer than the detector learned from is of another depth, not odd.

    Raises: InvalidImage.
    """
    if extent.unit != "display":
        return
    if extent.high < LEAST_USED * high or extent.own_high > MOST_SPARE * high or extent.high < low:
        shown = [round(value * STORED_TOP) for value in (extent.low, extent.high, low, high)]
        raise InvalidImage(
            f"its samples of {CONTAINER_BITS} bits run from {shown[0]} to {shown[1]}, those of the detector's normals from "
            f"{shown[2]} to {shown[3]}: of another depth; declare the depth (sBIT), or fit on images of this kind"
        )


def losses(image: Image, low: float, high: float, what: str) -> list[str]:
    """What an image loses on the way to 256 levels between `low` and `high`, in a sentence; nothing where it loses nothing.

    Arguments:
        what: whose range it is.
    """
    values = thinned(image.values())
    clipped = float(((values < low) | (values > high)).mean())
    left = len(np.unique(np.rint(grey(values, low, high) * 255)))
    there = len(np.unique(values))
    if left >= there and not clipped:
        return []
    is_severe = clipped > LARGEST_CLIPPED or (left < FEWEST_LEVELS and there > 2 * left)
    note = f"{left} {LEVELS_LEFT} {there} values"
    if clipped:
        note += f", and {clipped:.1%} of them lie outside {what}"
    return [f"{WARNING if is_severe else ''}{note}"]


def is_usual(note: str) -> bool:
    """Whether a note says only what every image of its depth loses: kept in the row, not worth a line on the terminal."""
    return LEVELS_LEFT in note and not note.startswith(WARNING)


def thinned(values: Float32[np.ndarray, "c n"]) -> Float32[np.ndarray, "c m"]:
    """At most a million or so of them, evenly."""
    return values[:, :: max(values.size // MOST_COUNTED, 1)]


def _rounded(unit: Unit, low: float, high: float) -> dict[str, float]:
    margin = MARGIN * max(high - low, 1e-12)
    if unit == "display":
        top = 2 ** int(np.ceil(np.log2(high * STORED_TOP + 1))) - 1
        if top <= MOST_SPARE * (high - low) * STORED_TOP:
            return {"low": 0.0, "high": top / STORED_TOP}
        return {"low": max(low - margin, 0.0), "high": min(high + margin, 1.0)}
    return {"low": low - margin, "high": high + margin}
