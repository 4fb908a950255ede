"""AVIF, 8 to 12 bits: samples through imagecodecs (libavif), what the container says of them through Pillow.

Pillow alone would cut 10 and 12 bits to 8.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any, BinaryIO, ClassVar

from oddpixel.errors import UnsupportedEncoding

from ..appearance import Samples, appearance, as_stored
from ..code_points import profile_of
from ..iso_media import brands, descend
from ..limits import Limits
from ..pillow_samples import orientation_of, samples_from_pillow
from . import Frame, Header
from .raster import exif_facts

BRANDS = {b"avif", b"avis"}
PICTURES = {b"avif", b"avis", b"mif1", b"msf1"}
PROPERTIES = (b"meta", b"iprp", b"ipco")


class Avif:
    """AVIF images and sequences."""

    suffixes: ClassVar[dict[str, str]] = {".avif": "AVIF", ".avifs": "AVIF"}

    def recognise(self, head: bytes) -> str | None:
        """AVIF by its brands, also where the major one is HEIF's."""
        major, *compatible = brands(head) or [b""]
        return "AVIF" if major in PICTURES and BRANDS & {major, *compatible} else None

    def open(self, file: BinaryIO, limits: Limits) -> OpenedAvif:
        """Parse the container."""
        return OpenedAvif(file, limits)


FORMAT = Avif


class OpenedAvif:
    """An open AVIF file."""

    identity = None

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        from PIL import Image as Pillow
        from PIL import features

        if not features.check("avif"):
            raise UnsupportedEncoding("AVIF needs a Pillow built with it (11.3 or newer): pip install -U pillow")
        Pillow.MAX_IMAGE_PIXELS = None
        self.file = file
        self.picture = Pillow.open(file, formats=["AVIF"])
        width, height = self.picture.size
        frames = getattr(self.picture, "n_frames", 1)
        limits.check_size(width, height, frames)
        self.bits, self.points = self._properties()
        self.header = Header(
            format="AVIF", width=width, height=height, frames=frames, meta={"mode": self.picture.mode, **exif_facts(self.picture)}
        )  # fmt: skip

    def frame(self, index: int) -> Frame:
        """Decode one picture, in sRGB and upright."""
        return appearance(self._samples(index))

    def as_stored(self) -> Frame:
        """The first picture before orientation and colour profile are applied."""
        return as_stored(self._samples(0))

    def _properties(self) -> tuple[int, tuple[int, int]]:
        """Depth (av1C; AV1-ISOBMFF 2.3.3), and colour primaries and transfer (colr, nclx)."""
        size = self.file.seek(0, io.SEEK_END)
        codec = next((box for box in descend(self.file, size, *PROPERTIES, b"av1C") if len(box) >= 3), b"\0\0\0")
        is_deep, is_twelve = codec[2] & 0x40, codec[2] & 0x20
        colour = next((box for box in descend(self.file, size, *PROPERTIES, b"colr") if box[:4] == b"nclx"), b"")
        points = (
            (int.from_bytes(colour[4:6], "big"), int.from_bytes(colour[6:8], "big")) if len(colour) >= 8 else (2, 2)
        )
        return (12 if is_twelve else 10) if is_deep else 8, points

    def _samples(self, index: int) -> Samples:
        if self.header.frames > 1:
            return self._of_sequence(index)
        import imagecodecs

        self.file.seek(0)
        values = imagecodecs.avif_decode(self.file.read(), index=0, numthreads=1)
        profile, meta = self.picture.info.get("icc_profile"), dict[str, Any]()
        if not profile:
            profile, meta = profile_of(*self.points)
        return Samples(
            values=values,
            bits=self.bits,
            alpha="straight" if values.ndim == 3 and values.shape[2] in (2, 4) else "none",
            profile=profile,
            orientation=orientation_of(self.picture),
            meta=meta,
        )

    def _of_sequence(self, index: int) -> Samples:
        """Decode through Pillow: imagecodecs 2026.3.6 writes beyond its memory where a frame is not the last."""
        self.picture.seek(index)
        samples = samples_from_pillow(self.picture)
        notes = [] if self.bits == 8 else [f"the sequence of {self.bits} bits is read in 8 bits"]
        return replace(samples, meta=dict(samples.meta or {}) | ({"notes": notes} if notes else {}))
