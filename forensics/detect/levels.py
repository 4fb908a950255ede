"""Which values become black and white for a detector's networks, where the data do not say.

Samples of 8 bits, of a declared depth, or in Hounsfield units say it themselves. A container of 16 bits may hold 10, 12 or 16 of
them, and a scanner's units end nowhere: there the range is learned from the normals, kept with the detector, and an incoming
image that leaves it gets a note. The width of the container never decides, nor its kind: values are compared as they are
stored, so that the same ones are judged alike in a PNG of 16 bits, as signed and as real numbers.

    b = the bits that the largest values need;  [0, 2^b - 1] where that loses at most two bits, as it is for a detector's counts
    otherwise the range of the normals with a margin of a tenth to either side
    scales that differ too much between the normals (arbitrary units): each image by its own percentiles
    normals that declare their depth: [0, 2^b - 1] of theirs, or all 16 bits, whichever an image fits
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
    """The range of values that becomes black to white, learned from normals.

    Arguments:
        unit: of the normals.
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
        black, white = _rounded(unit, low, high)
        return cls(unit=unit, low=black / stored_scale(unit), high=white / stored_scale(unit))

    def __str__(self) -> str:
        if self.stored is None:
            return "each image by its own percentiles: the normals share no scale"
        return f"{self.stored[0]:g} to {self.stored[1]:g}, learned from the normals"

    @property
    def stored(self) -> tuple[float, float] | None:
        """What becomes black and white, in stored values."""
        if self.low is None or self.high is None:
            return None
        return self.low * stored_scale(self.unit), self.high * stored_scale(self.unit)

    def as_json(self) -> dict[str, Any]:
        """The fields as detector.json keeps them."""
        return {"unit": self.unit, "low": self.low, "high": self.high}

    @classmethod
    def of_json(cls, record: Mapping[str, Any]) -> Levels:
        """Inverse of `as_json`, checked. Raises: KeyError, TypeError, ValueError."""
        low, high = (None if record[name] is None else float(record[name]) for name in ("low", "high"))
        if record["unit"] not in get_args(Unit) or (low is None) != (high is None):
            raise ValueError(f"unit {record['unit']!r} from {low} to {high}")
        if low is not None and high is not None and not (np.isfinite([low, high]).all() and low < high):
            raise ValueError(f"from {low} to {high}")
        return cls(unit=record["unit"], low=low, high=high)


@dataclass(frozen=True, kw_only=True)
class Extent:
    """What values one image has, as they are stored.

    Arguments:
        unit: of the image.
        low, high: but for a few, for what all normals have in common.
        own_low, own_high: where its own percentiles put black and white.
        are_whole: whether all are whole numbers, as counts are.
    """

    unit: Unit
    low: float
    high: float
    own_low: float
    own_high: float
    are_whole: bool

    @classmethod
    def of(cls, image: Image) -> Extent:
        """The extent of an image's values, from percentiles of the stored values."""
        values = as_stored(image.values(), image.unit)
        low, high = np.percentile(thinned(values), TAILS)
        own_low, own_high = np.percentile(values, OWN_TAILS)
        return cls(
            unit=image.unit, low=float(low), high=float(high), own_low=float(own_low), own_high=float(own_high),
            are_whole=bool((values == np.rint(values)).all()),
        )  # fmt: skip

    def fits(self, bits: int) -> bool:
        """Whether these can be counts of so many bits."""
        top = 2**bits - 1
        return self.low >= 0 and self.high <= top and (self.are_whole or self.high >= LEAST_USED * top)


def needs_levels(image: Image, unit: Unit) -> bool:
    """Whether it must be known which values of this image are black and white, for a model in `unit`, and it does not say."""
    if image.unit == "display":
        return unit == "display" and image.bits >= CONTAINER_BITS
    return image.unit == "modality" and unit == "display"


def stored_scale(unit: Unit) -> int:
    """How many stored values are one of this unit, in an image whose levels have to be known."""
    return STORED_TOP if unit == "display" else 1


def as_stored(pixels: Float32[np.ndarray, "*n"], unit: Unit) -> Float32[np.ndarray, "*n"]:
    """Pixels of 16 bits as the whole numbers that they were, all others as they are."""
    return np.rint(pixels * np.float32(STORED_TOP)) if unit == "display" else pixels


def grey(pixels: Float32[np.ndarray, "*n"], low: float, high: float) -> Float32[np.ndarray, "*n"]:
    """0..1 between black and white."""
    result: Float32[np.ndarray, "*n"] = np.clip((pixels - np.float32(low)) / np.float32(max(high - low, 1e-12)), 0, 1)
    return result


OWN_RANGE = "the middle 99 % of its own values, by which it was scaled: no common range is known"
LEARNED_RANGE = "the range that the detector takes for black to white"
REMEDY = "declare the depth (sBIT, BitsStored), convert the values, or fit on images of this kind"


@dataclass(frozen=True, kw_only=True)
class Range:
    """Black and white for one image, in stored values.

    Arguments:
        source: whose range it is, in words.
        is_own: whether it follows from this image alone: then what lies outside says nothing about it.
    """

    low: float
    high: float
    source: str
    is_own: bool = False


def range_of(extent: Extent, levels: Levels | None, depths: Sequence[int] | None = None) -> Range:
    """Black and white for an image of this extent.

    Arguments:
        levels: learned from the normals; None where they say it themselves.
        depths: that they declare; None for a detector of a version that kept none.

    Raises: InvalidImage for another depth or range than the detector learned from.
    """
    if levels is not None and levels.stored is not None:
        if levels.unit == "display":
            _check_depth(extent, *levels.stored)
        return Range(low=levels.stored[0], high=levels.stored[1], source=LEARNED_RANGE)
    if levels is not None or (depths is None and extent.unit != "display"):
        return Range(low=extent.own_low, high=extent.own_high, source=OWN_RANGE, is_own=True)
    for bits in sorted(depths or ()):
        if extent.fits(bits):
            return Range(low=0, high=2**bits - 1, source=f"the {bits} bits of the detector's normals")
    are_in_hu = depths is not None and not depths
    if are_in_hu or not (extent.low >= 0 and LEAST_USED * STORED_TOP <= extent.high <= STORED_TOP):
        raise InvalidImage(f"its {_described(extent)}, the detector's normals have {_declared(depths)}; {REMEDY}")
    return Range(low=0, high=STORED_TOP, source=f"{CONTAINER_BITS} bits")


def _check_depth(extent: Extent, low: float, high: float) -> None:
    """A picture of two bits more or three bits fewer than the detector learned from is of another depth, not odd.

    Raises: InvalidImage.
    """
    is_dark, is_bright = extent.high < LEAST_USED * high, extent.own_high > MOST_SPARE * high
    if is_dark or is_bright or extent.high < low or extent.low < 0:
        raise InvalidImage(
            f"its {_described(extent)}, those of the detector's normals from {low:g} to {high:g}: "
            f"of another depth or range; {REMEDY}"
        )


def _described(extent: Extent) -> str:
    return f"stored values run from {extent.low:g} to {extent.high:g}"


def _declared(depths: Sequence[int] | None) -> str:
    if depths is None:
        return "another depth"
    return " or ".join(f"{bits} bits" for bits in depths) or "another unit (HU)"


def losses(image: Image, taken: Range) -> list[str]:
    """What an image loses on the way to 256 levels between black and white, in a sentence; nothing where it loses nothing."""
    values, low, high = thinned(as_stored(image.values(), image.unit)), taken.low, taken.high
    clipped = float(((values < low) | (values > high)).mean())
    left = len(np.unique(np.rint(grey(values, low, high) * 255)))
    there = len(np.unique(values))
    if left >= there and not clipped:
        return []
    is_severe = (clipped > LARGEST_CLIPPED and not taken.is_own) or (left < FEWEST_LEVELS and there > 2 * left)
    note = f"{left} {LEVELS_LEFT} {there} values"
    if clipped:
        note += f", and {clipped:.1%} of them lie outside {taken.source}"
    return [f"{WARNING if is_severe else ''}{note}"]


def is_usual(note: str) -> bool:
    """Whether a note says only what every image of its depth loses: kept in the row, not worth a line on the terminal."""
    return LEVELS_LEFT in note and not note.startswith(WARNING)


def thinned(values: Float32[np.ndarray, "c n"]) -> Float32[np.ndarray, "c m"]:
    """At most a million or so of them, evenly."""
    return values[:, :: max(values.size // MOST_COUNTED, 1)]


def _rounded(unit: Unit, low: float, high: float) -> tuple[float, float]:
    """Of stored values."""
    margin = MARGIN * max(high - low, 1e-12)
    if unit == "display":
        top = 2 ** int(np.ceil(np.log2(high + 1))) - 1
        if top <= MOST_SPARE * (high - low):
            return 0.0, float(top)
        return max(low - margin, 0.0), min(high + margin, float(STORED_TOP))
    return low - margin, high + margin
