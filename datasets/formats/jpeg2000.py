"""JPEG 2000 (JP2 and bare codestreams), 1 to 16 bits, through imagecodecs (OpenJPEG)."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar

import numpy as np

from oddpixel.errors import CorruptFile, UnsupportedEncoding

from ..appearance import Alpha, Samples, appearance, as_stored
from ..iso_media import boxes, content, descend
from ..limits import Limits
from ..text import technical_text
from . import Frame, Header

CONTAINER = b"\0\0\0\x0cjP  \r\n\x87\n"
CODESTREAM = b"\xff\x4f\xff\x51"  # start of codestream, image and tile size (ISO/IEC 15444-1, A.4 and A.5.1)
# Enumerated colour spaces (ISO/IEC 15444-1, I.5.3.3; 15444-2, M.11.7.3); sYCC is converted by the decoder, no other one is.
SRGB, GREY, SYCC = 16, 17, 18
SPACES = {12: "CMYK", 13: "YCCK", 14: "CIELab", 19: "CIEJab", 20: "e-sRGB", 21: "ROMM RGB", 24: "e-sYCC"}
ENUMERATED, PROFILES = b"\1", (b"\2", b"\3")  # methods of a colour specification
PROFILED = (b"RGB ", b"GRAY")  # what a profile is for
DEEPEST_DISPLAY = 16
HEADER_BYTES = 2**14 + 4
ALPHAS: dict[int, Alpha] = {1: "straight", 2: "premultiplied"}  # types of a channel (I.5.3.6)


@dataclass(frozen=True, kw_only=True)
class Size:
    """Image and tile size, from the codestream (ISO/IEC 15444-1, A.5.1)."""

    width: int
    height: int
    num_components: int
    bits: int
    is_signed: bool


class Jpeg2000:
    """JPEG 2000, in a container (JP2) or as a bare codestream."""

    suffixes: ClassVar[dict[str, str]] = dict.fromkeys(
        (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".jph"), "JPEG 2000"
    )

    def recognise(self, head: bytes) -> str | None:
        """JPEG 2000 by the signature of the container or of the codestream."""
        return "JPEG 2000" if head.startswith((CONTAINER, CODESTREAM)) else None

    def open(self, file: BinaryIO, limits: Limits) -> OpenedJpeg2000:
        """Parse the container and the codestream's header."""
        return OpenedJpeg2000(file, limits)


FORMAT = Jpeg2000


class OpenedJpeg2000:
    """An open JPEG 2000 file."""

    identity = None

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self.file = file
        self.bytes = file.seek(0, io.SEEK_END)
        self.codestream = _codestream(file, self.bytes)
        self.size = _size(content(file, self.codestream, min(self.codestream + HEADER_BYTES, self.bytes)))
        limits.check_size(self.size.width, self.size.height)
        self.profile, self.space = self._colour()
        if self.profile is not None and self._is_palette():
            raise UnsupportedEncoding(
                "a JPEG 2000 palette with a colour profile is not supported; convert the image to RGB"
            )
        self._check_colours()
        self.alphas = self._alphas()
        self.header = Header(format="JPEG 2000", width=self.size.width, height=self.size.height, frames=1)

    def frame(self, index: int) -> Frame:
        """Decode the picture, in sRGB; signed and deep samples keep their values, in unit `modality`."""
        values = self._decoded()
        if self.size.is_signed or self.size.bits > DEEPEST_DISPLAY:
            values, _, notes = self._colours(values)
            return Frame(stored=values, scale=1.0, bits=self.size.bits, unit="modality", meta=_noted(notes))
        return appearance(self._samples(values))

    def as_stored(self) -> Frame:
        """The picture before its colour profile is applied."""
        if self.size.is_signed or self.size.bits > DEEPEST_DISPLAY:
            return self.frame(0)
        return as_stored(self._samples(self._decoded()))

    def _decoded(self) -> np.ndarray:
        import imagecodecs

        # Of a container, imagecodecs applies the profile itself, in 8 bits; of the codestream in it, it does not.
        start = self.codestream if self.profile is not None else 0
        values: np.ndarray = imagecodecs.jpeg2k_decode(content(self.file, start, self.bytes), numthreads=1)
        return values

    def _samples(self, values: np.ndarray) -> Samples:
        colours, alpha, notes = self._colours(values)
        return Samples(values=colours, bits=self.size.bits, alpha=alpha, profile=self.profile, meta=_noted(notes))

    def _colours(self, values: np.ndarray) -> tuple[np.ndarray, Alpha, list[str]]:
        """The colours, with the alpha last if there is one; every other extra component is left out."""
        if values.ndim == 2:
            return values, "none", []
        num_channels = values.shape[2]
        num_colours = 3 if num_channels >= 3 else 1
        place = next((k for k in sorted(self.alphas) if num_colours <= k < num_channels), None)
        channels = list(range(num_colours)) + ([] if place is None else [place])
        left_out = num_channels - len(channels)
        notes = [f"{left_out} extra band(s) that are not transparency are left out"] if left_out else []
        colours = values[..., channels] if len(channels) > 1 else values[..., 0]
        return colours, "none" if place is None else self.alphas[place], notes

    def _colour(self) -> tuple[bytes | None, int | None]:
        """The ICC profile, and the enumerated colour space, of which a file has one (I.5.3.3)."""
        profile, space = None, None
        for colour in descend(self.file, self.bytes, b"jp2h", b"colr"):
            if colour[:1] in PROFILES:
                profile = colour[3:]
            elif colour[:1] == ENUMERATED and len(colour) >= 7:
                (space,) = struct.unpack(">I", colour[3:7])
        return profile, space

    def _check_colours(self) -> None:
        """Refuse colour spaces that neither decoder nor profile converts. Raises: UnsupportedEncoding."""
        unread = None if self.space in (None, SRGB, GREY, SYCC) else SPACES.get(self.space, f"space {self.space}")
        if self.profile is not None:
            kind = self.profile[16:20]
            unread = None if kind in PROFILED else str(technical_text(kind))
        if unread is not None:
            raise UnsupportedEncoding(f"JPEG 2000 colours in {unread} are not supported; convert the image to RGB")

    def _is_palette(self) -> bool:
        return next(descend(self.file, self.bytes, b"jp2h", b"pclr"), None) is not None

    def _alphas(self) -> dict[int, Alpha]:
        """Which channels are transparency (I.5.3.6)."""
        alphas: dict[int, Alpha] = {}
        for definition in descend(self.file, self.bytes, b"jp2h", b"cdef"):
            for k in range(2, len(definition) - 5, 6):
                channel, kind, _ = struct.unpack(">HHH", definition[k : k + 6])
                if kind in ALPHAS:
                    alphas[channel] = ALPHAS[kind]
        return alphas


def _noted(notes: list[str]) -> dict[str, Any]:
    return {"notes": notes} if notes else {}


def _codestream(file: BinaryIO, end: int) -> int:
    """The offset of the codestream in the file."""
    if content(file, 0, len(CODESTREAM)) == CODESTREAM:
        return 0
    return next((first for name, first, _ in boxes(file, 0, end) if name == b"jp2c"), end)


def _size(head: bytes) -> Size:
    """Parse the image and tile size segment.

    Arguments:
        head: the codestream's beginning.

    Raises: CorruptFile, UnsupportedEncoding.
    """
    if head[:4] != CODESTREAM or len(head) < 45:
        raise CorruptFile("the file has no JPEG 2000 codestream")
    right, bottom, left, top = struct.unpack(">4I", head[8:24])
    (num_components,) = struct.unpack(">H", head[40:42])
    depths = {head[k] for k in range(42, min(42 + 3 * num_components, len(head)), 3)}
    if len(depths) != 1:
        raise UnsupportedEncoding("components of different depths are not supported; save the image with one depth")
    (depth,) = depths
    return Size(
        width=right - left,
        height=bottom - top,
        num_components=num_components,
        bits=(depth & 0x7F) + 1,
        is_signed=bool(depth & 0x80),
    )
