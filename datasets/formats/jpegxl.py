"""JPEG XL, 8 to 16 bits and real numbers, through imagecodecs (libjxl)."""

from __future__ import annotations

import io
from typing import Any, BinaryIO, ClassVar

import numpy as np

from oddpixel.errors import CorruptFile

from ..appearance import Alpha, Samples, appearance, as_stored, upright
from ..code_points import profile_of
from ..iso_media import boxes, content
from ..jpegxl_header import read_header
from ..limits import Limits
from . import Frame, Header

CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"
CODESTREAM = b"\xff\x0a"
HEADER_BYTES = 4096


class JpegXl:
    """JPEG XL, in a container or as a bare codestream."""

    suffixes: ClassVar[dict[str, str]] = {".jxl": "JPEG XL"}

    def recognise(self, head: bytes) -> str | None:
        """JPEG XL by the signature of the container or of the codestream."""
        return "JPEG XL" if head.startswith((CONTAINER, CODESTREAM)) else None

    def open(self, file: BinaryIO, limits: Limits) -> OpenedJpegXl:
        """Parse the codestream's header."""
        return OpenedJpegXl(file, limits)


FORMAT = JpegXl


class OpenedJpegXl:
    """An open JPEG XL file."""

    identity = None

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self.file = file
        self.jxl = read_header(_codestream(file))
        limits.check_size(self.jxl.width, self.jxl.height)
        frames = len(self._decoded()) if self.jxl.is_animated else 1
        limits.check_size(self.jxl.width, self.jxl.height, frames)
        self.header = Header(
            format="JPEG XL", width=self.jxl.width, height=self.jxl.height, frames=frames, meta=self._meta()
        )

    def frame(self, index: int) -> Frame:
        """Decode one frame, in sRGB and upright; real numbers keep their values, in unit `modality`."""
        values = self._decoded(index)
        if self.jxl.is_float:
            return self._numbers(values)
        return appearance(self._samples(values))

    def as_stored(self) -> Frame:
        """The first frame before orientation and colour space are applied."""
        values = self._decoded(0)
        if self.jxl.is_float:
            return Frame(stored=values, scale=1.0, bits=32, unit="modality")
        return as_stored(self._samples(values))

    def _meta(self) -> dict[str, Any]:
        notes = []
        if self.jxl.has_unread_profile:
            notes.append("the decoder does not return the file's colour profile: colours are not converted")
        if self.jxl.num_other_channels:
            notes.append(f"{self.jxl.num_other_channels} extra channel(s) that are not transparency are left out")
        return {"notes": notes} if notes else {}

    def _decoded(self, index: int | None = None) -> np.ndarray:
        """Decode the samples as stored; they are turned upright later, as in every other format."""
        import imagecodecs

        self.file.seek(0)
        index = index if self.jxl.is_animated else None
        values: np.ndarray = imagecodecs.jpegxl_decode(
            self.file.read(), index=index, keeporientation=True, numthreads=1
        )
        return values

    def _samples(self, values: np.ndarray) -> Samples:
        profile, meta = profile_of(self.jxl.primaries, self.jxl.transfer)
        has_alpha = self.jxl.has_alpha and values.ndim == 3 and values.shape[2] in (2, 4)
        alpha: Alpha = "none"
        if has_alpha:
            alpha = "premultiplied" if self.jxl.is_premultiplied else "straight"
        return Samples(
            values=values,
            bits=self.jxl.bits,
            alpha=alpha,
            profile=profile,
            orientation=self.jxl.orientation,
            meta=meta,
        )

    def _numbers(self, values: np.ndarray) -> Frame:
        orientation = self.jxl.orientation
        meta: dict[str, Any] = {} if orientation == 1 else {"orientation_applied": orientation}
        return Frame(stored=upright(values, orientation), scale=1.0, bits=32, unit="modality", meta=meta)


def _codestream(file: BinaryIO) -> bytes:
    """The beginning of the codestream, bare or in a container (ISO/IEC 18181-2, clause 9). Raises: CorruptFile."""
    size = file.seek(0, io.SEEK_END)
    head = content(file, 0, HEADER_BYTES)
    if head.startswith(CODESTREAM):
        return head
    beginning = b""
    for name, first, end in boxes(file, 0, size):
        if name in (b"jxlc", b"jxlp"):
            first += 4 if name == b"jxlp" else 0  # the part's number
            beginning += content(file, first, min(end, first + HEADER_BYTES))
        if name == b"jxlc" or len(beginning) >= HEADER_BYTES:
            break
    if not beginning:
        raise CorruptFile("the JPEG XL container has no codestream")
    return beginning
