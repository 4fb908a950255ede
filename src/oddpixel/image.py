"""One image as every part of OddPixel sees it, and the placeholder for one that could not be read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NoReturn

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from oddpixel.errors import OddPixelError

Unit = Literal["display", "HU", "modality"]
FRAME = re.compile(r"(.+)#([0-9]{1,9})", re.DOTALL)


def file_and_frame(source: str) -> tuple[str, int | None]:
    """The file that an image of this `source` came out of, and the number of its frame; None where it has no number."""
    numbered = FRAME.fullmatch(source)
    return (source, None) if numbered is None else (numbered[1], int(numbered[2]))


@dataclass(frozen=True, eq=False)
class Image:
    """An image in its unit's own range. Never mutated: the pixel array is read-only.

    Arguments:
        pixels: float32 `[c, h, w]`. `display` images lie in 0..1 (sRGB), `HU` in Hounsfield units, `modality` in
            whatever the scanner's modality LUT yields (PS3.3 C.11.1).
        bits: stored bits per sample; what dequantisation needs.
        unit: which range `pixels` is in.
        spacing_mm: distance between rows and between columns, or None where unknown.
        source: where it came from: a path relative to the source's root, `#k` appended for frame or page k.
        sha256: of the file's bytes.
        group: what is exchangeable: patient, study, source video, original file.
        meta: technical facts only. Patient identifiers never enter it. `notes` are sentences for whoever reads a result.
        valid: where the file holds a value; None where it does everywhere. Elsewhere (padding, nodata, NaN) `pixels` has the
            lowest value that was recorded, and no statistic may count it.
    """

    pixels: Float32[np.ndarray, "c h w"]
    bits: int
    unit: Unit
    spacing_mm: tuple[float, float] | None
    source: str
    sha256: str
    group: str
    meta: Mapping[str, Any] = field(default_factory=dict)
    valid: Bool[np.ndarray, "h w"] | None = None

    def __post_init__(self) -> None:
        self.pixels.flags.writeable = False
        object.__setattr__(self, "meta", MappingProxyType(dict(self.meta)))

    @property
    def quantum(self) -> float:
        """Distance between two neighbouring stored values, in the image's unit; always above 0."""
        default = 1.0 / (2**self.bits - 1) if self.unit == "display" else 1.0
        return abs(float(self.meta.get("slope", default)))

    @property
    def notes(self) -> list[str]:
        """Remarks about the pixels for whoever reads a result about this image."""
        return list(self.meta.get("notes", []))

    @property
    def may_show_text(self) -> bool:
        """Whether a name may be burned into the pixels: then no thumbnail and no map of it is written (PS3.15 E.3.1)."""
        return "text_in_pixels" in self.meta

    def values(self) -> Float32[np.ndarray, "c n"]:
        """The recorded values alone, without padding, which statistics are made of."""
        return self.pixels.reshape(len(self.pixels), -1) if self.valid is None else self.pixels[:, self.valid]

    def to_display(self, at_least: int | None = None) -> UInt8[np.ndarray, "h w c"]:
        """The picture a person would be shown: window or VOI LUT applied, MONOCHROME1 inverted; 0..255.

        `meta["display"]` holds the knots of a piecewise-linear map from pixel values to grey 0..1 (PS3.3 C.11.2).
        Never the input of a score.

        Arguments:
            at_least: rows and columns may be skipped as long as the longer side keeps this many; None keeps all.
        """
        step = max(1, max(self.pixels.shape[1:]) // at_least) if at_least else 1
        picture = self.pixels[:, ::step, ::step]
        if (knots := self.meta.get("display")) is not None:
            picture = np.interp(picture, knots["value"], knots["grey"])
        elif self.unit != "display":
            recorded = picture if self.valid is None else picture[:, self.valid[::step, ::step]]
            low, high = np.nanpercentile(recorded if recorded.size else self.values(), (0.5, 99.5))
            picture = (picture - low) / max(high - low, 1e-12)
        result: UInt8[np.ndarray, "h w c"] = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0)
        return result


def spacing_as_size(spacing_mm: Sequence[float] | None) -> str:
    """The spacing as `0.7 x 0.9`, in the order of width x height; empty where unknown.

    Between columns first, then between rows.
    """
    return " x ".join(f"{distance:g}" for distance in reversed(spacing_mm or ()))


@dataclass(frozen=True, eq=False)
class Unreadable:
    """A placeholder for an image that could not be read, so that one bad file is a row and not the end.

    Touching what only an image has (`pixels`, `bits`, ...) raises the error.
    """

    source: str
    sha256: str | None
    group: str
    error: OddPixelError

    def _raise(self) -> NoReturn:
        raise self.error

    pixels = bits = unit = spacing_mm = meta = valid = notes = may_show_text = property(_raise)
