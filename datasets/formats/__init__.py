"""File formats: one file each, found by walking this folder. A format turns an open file into frames.

A frame keeps the *stored* samples and the affine map to the image's unit, `value = scale * stored + offset`; it writes
float32 straight into the memory it is given, so a sandboxed decoder can fill memory shared with its parent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, BinaryIO, ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Shaped

from oddpixel.datasets.limits import Limits
from oddpixel.discover import discover
from oddpixel.image import Unit


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the header of a file declares, before any pixel is decoded."""

    format: str
    width: int
    height: int
    frames: int
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One decoded frame or page.

    Arguments:
        stored: `[h, w]` or `[h, w, c]`.
        masked: where the file holds no value (padding, nodata); None where it does everywhere.
        meta: facts of this frame; `notes` in it are sentences that a reader of the result should see.
    """

    stored: Shaped[np.ndarray, "h w *c"]
    scale: float
    offset: float = 0.0
    bits: int
    unit: Unit
    spacing_mm: tuple[float, float] | None = None
    masked: Bool[np.ndarray, "h w"] | None = None
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w) of the decoded image."""
        height, width = self.stored.shape[:2]
        return (self.stored.shape[2] if self.stored.ndim == 3 else 1, height, width)

    def write(self, out: Float32[np.ndarray, "c h w"]) -> None:
        """Fill `out` with scale * stored + offset; where nothing was recorded, with the lowest value that was.

        One plane after another: 3 x faster than a transposing multiply.
        """
        planes = self.stored[None] if self.stored.ndim == 2 else self.stored.transpose(2, 0, 1)
        for plane, target in zip(planes, out, strict=True):
            np.multiply(plane, np.float32(self.scale), out=target, casting="unsafe", dtype=np.float32)
            if self.offset:
                target += np.float32(self.offset)
        if self.masked is not None:
            out[:, self.masked] = out[:, ~self.masked].min()


def noted(frame: Frame, notes: Sequence[str]) -> Frame:
    """The frame with these notes appended to its own."""
    return replace(frame, meta=frame.meta | {"notes": [*frame.meta.get("notes", []), *notes]}) if notes else frame


@runtime_checkable
class Opened(Protocol):
    """An open file of some format; its header is parsed, its pixels are not."""

    header: Header

    @property
    def identity(self) -> str | None:
        """Identifies the patient or study. The caller hashes it with a key; it is never stored or shown."""

    def frame(self, index: int) -> Frame:
        """Decode one frame or page."""


@runtime_checkable
class Format(Protocol):
    """How one family of formats is recognised and opened.

    `suffixes` maps a file suffix to the name the content must have; a file called `.png` that holds something else
    is refused.
    """

    suffixes: ClassVar[dict[str, str]]

    def recognise(self, head: bytes) -> str | None:
        """The format's name if a file with these first 512 bytes is of it, else None."""

    def open(self, file: BinaryIO, limits: Limits) -> Opened:
        """Parse the header. Raises: TooLarge before anything large is allocated; anything else on bad content."""


@cache
def formats() -> Sequence[Format]:
    """Every format in this folder, in the order of their file names.

    A module here offers its class under the name `FORMAT`; its heavy imports wait until a file is opened.
    """
    return tuple(kind() for kind in discover(__name__, "FORMAT").values())


@cache
def known_suffixes() -> dict[str, str]:
    """Format name by file suffix, over all formats."""
    return {suffix: name for file_format in formats() for suffix, name in file_format.suffixes.items()}


def promised_format(name: str) -> str | None:
    """The format that a file's suffix promises, or None for a suffix that no format here claims."""
    fitting = [suffix for suffix in known_suffixes() if name.lower().endswith(suffix)]
    return known_suffixes()[max(fitting, key=len)] if fitting else None
