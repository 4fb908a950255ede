"""HEIC and HEIF, 8 to 12 bits, through pi-heif (the decode-only build: no GPL encoder comes with it)."""

from __future__ import annotations

from typing import Any, BinaryIO, ClassVar

import numpy as np

from oddpixel.errors import UnsupportedEncoding

from ..appearance import Alpha, Samples, appearance, as_stored
from ..code_points import code_points, profile_of
from ..iso_media import brands
from ..limits import Limits
from . import Frame, Header

BRANDS = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}
AV1_BRANDS = {b"avif", b"avis"}


class Heif:
    """HEIC and HEIF images."""

    suffixes: ClassVar[dict[str, str]] = {".heic": "HEIF", ".heif": "HEIF", ".hif": "HEIF"}

    def recognise(self, head: bytes) -> str | None:
        """HEIF by its major brand, unless an AVIF brand is compatible."""
        major, *compatible = brands(head) or [b""]
        return "HEIF" if major in BRANDS and not AV1_BRANDS & {*compatible} else None

    def open(self, file: BinaryIO, limits: Limits) -> OpenedHeif:
        """Parse the container."""
        return OpenedHeif(file, limits)


FORMAT = Heif


class OpenedHeif:
    """An open HEIF file."""

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
        """Decode one picture, in sRGB and upright."""
        return appearance(self._samples(index))

    def as_stored(self) -> Frame:
        """The first picture before its colour profile is applied; libheif has already turned it."""
        return as_stored(self._samples(0))

    def _samples(self, index: int) -> Samples:
        """libheif has already turned the picture as the container asks for."""
        picture: Any = self.heif[index]
        values = np.asarray(picture)
        bits = int(picture.info.get("bit_depth", 8))
        if values.dtype == np.uint16:
            values = values >> (16 - bits)  # libheif shifts 10 and 12 bits to the upper end of 16
        profile, meta = picture.info.get("icc_profile"), dict[str, Any]()
        if not profile:
            profile, meta = profile_of(*code_points(picture.info.get("nclx_profile")))
        return Samples(values=values, bits=bits, alpha=_alpha(picture.mode, values), profile=profile, meta=meta)


def _alpha(mode: str, values: np.ndarray) -> Alpha:
    if values.ndim == 2 or values.shape[2] not in (2, 4):
        return "none"
    return "premultiplied" if mode.partition(";")[0].endswith("a") else "straight"
