"""HEIC and HEIF, 8 to 12 bits, through pi-heif (the decode-only build: no GPL encoder comes with it)."""

from __future__ import annotations

from typing import Any, BinaryIO, ClassVar

import numpy as np

from oddpixel.errors import UnsupportedEncoding

from ..limits import Limits
from . import Frame, Header
from .raster import over_white

BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


class Heif:
    suffixes: ClassVar[dict[str, str]] = {".heic": "HEIF", ".heif": "HEIF"}

    def recognise(self, head: bytes) -> str | None:
        return "HEIF" if head[4:8] == b"ftyp" and head[8:12] in BRANDS else None

    def open(self, file: BinaryIO, limits: Limits) -> OpenedHeif:
        return OpenedHeif(file, limits)


FORMAT = Heif


class OpenedHeif:
    identity = None

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        try:
            import pi_heif
        except ImportError as error:
            raise UnsupportedEncoding("HEIC needs the package pi-heif: pip install pi-heif") from error

        self.heif: Any = pi_heif.open_heif(file, convert_hdr_to_8bit=False, bgr_mode=False)
        width, height = self.heif.size
        limits.check_size(width, height, len(self.heif))
        self.header = Header(
            format="HEIF", width=width, height=height, frames=len(self.heif), meta={"mode": self.heif.mode}
        )

    def frame(self, index: int) -> Frame:
        # libheif has already applied the rotation that the container asks for.
        picture: Any = self.heif[index]
        samples = np.asarray(picture)
        bits = int(picture.info.get("bit_depth", 8))
        top = 255 if samples.dtype == np.uint8 else 65535  # libheif stretches 10 and 12 bits over 16
        meta: dict[str, Any] = {}
        if samples.ndim == 3:
            samples, meta = over_white(samples, top)
        return Frame(stored=samples, scale=1 / top, bits=bits, unit="display", meta=meta)
