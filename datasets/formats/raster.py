"""PNG, JPEG, WebP, BMP, GIF: through Pillow; PNG of 16 bits through imagecodecs (Pillow would cut colour to 8 bits).

What is done to the samples (`appearance`): an embedded ICC profile is converted to sRGB, transparency is laid on white, EXIF
orientation is applied; CMYK becomes RGB, and palettes are looked up. Each is noted in `meta`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cached_property
from typing import Any, BinaryIO, ClassVar

import numpy as np

from ..appearance import Samples, appearance, as_stored
from ..code_points import profile_of
from ..jpeg_integrity import check_jpeg
from ..limits import Limits
from ..pillow_samples import frame_from_pillow, orientation_of
from ..png_integrity import check_png
from ..text import technical_text
from . import Frame, Header, noted

SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
}
# EXIF tags that describe the device and the exposure, none that names a person or a place (Exif 2.32, tables 4 and 8).
EXIF_TAGS = {271: "make", 272: "model", 305: "software"}
EXIF_PHOTO_TAGS = {33434: "exposure_s", 33437: "f_number", 34855: "iso", 37386: "focal_length_mm", 42036: "lens"}
SRGB_GAMMA = 1 / 2.2  # what a gAMA chunk of an sRGB picture says
GAMMA_TOLERANCE = 0.01
BMP_HEADER = 14  # bytes before the bitmap's own header
LARGEST_PROFILE = 16 * 2**20


class Raster:
    """The everyday formats."""

    suffixes: ClassVar[dict[str, str]] = {
        ".png": "PNG",
        ".apng": "PNG",
        ".jpg": "JPEG",
        ".jpeg": "JPEG",
        ".jpe": "JPEG",
        ".jfif": "JPEG",
        ".mpo": "JPEG",
        ".webp": "WEBP",
        ".bmp": "BMP",
        ".dib": "BMP",
        ".gif": "GIF",
    }

    def recognise(self, head: bytes) -> str | None:
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return "WEBP"
        return next((name for signature, name in SIGNATURES.items() if head.startswith(signature)), None)

    def open(self, file: BinaryIO, limits: Limits) -> OpenedRaster:
        return OpenedRaster(file, limits)


FORMAT = Raster


class OpenedRaster:
    identity = None

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        from PIL import Image as Pillow
        from PIL import WebPImagePlugin  # noqa: F401 -- Pillow registers it late

        Pillow.MAX_IMAGE_PIXELS = None  # our own cap, checked below, comes first and names its figure
        self.file, self.limits = file, limits
        self.picture = Pillow.open(file, formats=["PNG", "JPEG", "WEBP", "BMP", "GIF"])
        width, height = self.picture.size
        num_pictures = getattr(self.picture, "n_frames", 1)
        # MPO is a JPEG followed by previews of itself, or by other views: the first is the photograph.
        frames = 1 if self.picture.format == "MPO" else num_pictures
        limits.check_size(width, height, frames)
        self.depth, self.colour_type = 8, -1
        self.significant: int | None = None
        notes: list[str] = []
        if self.picture.format == "PNG":
            notes = [*self._read_png_header(), *self._png_notes(frames)]
        elif self.picture.format == "MPO" and num_pictures > 1:
            notes = [f"{num_pictures - 1} further picture(s) of the MPO (previews or other views) are left out"]
        elif self.picture.format == "BMP" and (profile := _bmp_profile(file)) is not None:
            self.picture.info["icc_profile"] = profile
        self.header = Header(
            format="JPEG" if self.picture.format == "MPO" else str(self.picture.format),
            width=width,
            height=height,
            frames=frames,
            meta={"mode": self.picture.mode, **exif_facts(self.picture), **({"notes": notes} if notes else {})},
        )

    def frame(self, index: int) -> Frame:
        return self._frame(index, stored=False)

    def as_stored(self) -> Frame:
        """The first frame as the file's samples say: not turned upright, no colour profile applied."""
        return self._frame(0, stored=True)

    def _frame(self, index: int, *, stored: bool) -> Frame:
        notes = self._integrity
        frame = self._decoded(index, stored=stored)
        return noted(frame, notes)

    def _decoded(self, index: int, *, stored: bool) -> Frame:
        if self.header.frames > 1:
            self.picture.seek(index)
        elif self.depth == 16:
            return (as_stored if stored else appearance)(self._deep_png())
        return frame_from_pillow(self.picture, stored=stored, bits=min(self.depth, 8))

    @cached_property
    def _integrity(self) -> list[str]:
        """Notes on damage that Pillow decodes without a word. Raises: CorruptFile."""
        if self.header.format == "JPEG":
            self.file.seek(0)
            return check_jpeg(self.file.read())
        return check_png(self.file) if self.header.format == "PNG" else []

    def _read_png_header(self) -> list[str]:
        """Depth, colour type, significant bits and code points of colour (PNG 3, 11.2.1, 11.3.2.5, 11.3.2.6); and notes."""
        notes: list[str] = []
        for name, content in _png_chunks(self.file):
            if name == b"IHDR" and len(content) >= 10:
                self.depth, self.colour_type = content[8], content[9]
            elif name == b"sBIT" and content:
                self.significant = max(content[:3])
            elif name == b"cICP" and len(content) == 4:  # wins over a profile
                self.picture.info.pop("icc_profile", None)
                profile, facts = profile_of(content[0], content[1])
                notes += facts.get("notes", [])
                if profile is not None:
                    self.picture.info["icc_profile"] = profile
        if self.colour_type == 3:
            self.depth = 8  # of the palette's entries
        return notes

    def _png_notes(self, frames: int) -> list[str]:
        notes = []
        if frames > 1 and self.depth == 16:
            notes.append("an animated PNG of 16 bits is read in 8 bits")
        gamma = self.picture.info.get("gamma")
        has_profile = "icc_profile" in self.picture.info or "srgb" in self.picture.info
        if gamma and not has_profile and abs(gamma - SRGB_GAMMA) > GAMMA_TOLERANCE:
            notes.append(f"the file declares gamma {gamma:g} without a colour profile; its values are taken as sRGB")
        return notes

    def _deep_png(self) -> Samples:
        """16 bits a sample, of which fewer may be significant."""
        import imagecodecs

        self.file.seek(0)
        values = imagecodecs.png_decode(self.file.read())
        if self.colour_type == 0 and values.ndim == 3:
            values = values[..., 0]
        has_alpha = values.ndim == 3 and values.shape[2] in (2, 4)
        values, bits, notes = significant_bits(values, self.significant, has_alpha=has_alpha)
        if not has_alpha and (key := self.picture.info.get("transparency")) is not None:
            values, has_alpha = _with_key(values, key, 2**bits - 1), True
        return Samples(
            values=values,
            bits=bits,
            alpha="straight" if has_alpha else "none",
            profile=self.picture.info.get("icc_profile"),
            orientation=orientation_of(self.picture),
            meta={"notes": notes} if notes else None,
        )


def significant_bits(values: np.ndarray, declared: int | None, *, has_alpha: bool) -> tuple[np.ndarray, int, list[str]]:
    """Samples of 16 bits as samples of the declared depth, that depth, and what is wrong with the declaration.

    A file of fewer significant bits should have them scaled over all 16 (PNG 3, 11.3.2.5 and 12.5); many writers leave them
    where the detector had them, at the lower end.
    """
    if declared is None or not 0 < declared < 16:
        return values, 16, []
    top, shift = 2**declared - 1, 16 - declared
    colours = values[..., :-1] if has_alpha else values
    reduced = values >> shift
    scaled = np.rint(reduced * (65535 / top))
    is_scaled = bool((np.abs(scaled - values) <= 1).all() or (values & (2**shift - 1) == 0).all())
    if is_scaled:
        return reduced, declared, []
    if int(colours.max()) <= top:
        lower = values.copy()
        if has_alpha:
            lower[..., -1] >>= shift
        return lower, declared, []
    return values, 16, [f"sBIT declares {declared} significant bits, but the samples use more: it is ignored"]


def exif_facts(picture: Any) -> dict[str, Any]:
    """Device and exposure, as bounded text; nothing that names a person or a place."""
    try:
        exif = picture.getexif()
        found = {name: exif[tag] for tag, name in EXIF_TAGS.items() if tag in exif}
        photo = exif.get_ifd(0x8769)
        found |= {name: photo[tag] for tag, name in EXIF_PHOTO_TAGS.items() if tag in photo}
    except Exception:  # a broken EXIF block does not make the pixels unreadable
        return {"exif": "unreadable"}
    return {name: technical_text(value) for name, value in found.items()}


def _bmp_profile(file: BinaryIO) -> bytes | None:
    """Embedded in a header of version 5 (BITMAPV5HEADER, `bV5CSType` PROFILE_EMBEDDED)."""
    file.seek(0)
    head = file.read(BMP_HEADER + 124)
    if len(head) < BMP_HEADER + 124 or head[BMP_HEADER] != 124 or head[BMP_HEADER + 56 : BMP_HEADER + 60] != b"DEBM":
        return None
    offset, size = struct.unpack("<II", head[BMP_HEADER + 112 : BMP_HEADER + 120])
    file.seek(BMP_HEADER + offset)
    profile = file.read(min(size, LARGEST_PROFILE))
    return profile if profile and len(profile) == size else None


def _png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """The chunks before the pixels; of long ones only the name."""
    position = 8
    while True:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IDAT":
            return
        (length,) = struct.unpack(">I", head[:4])
        yield head[4:], file.read(length) if length <= 64 else b""
        position += 12 + length


def _with_key(values: np.ndarray, key: Any, top: int) -> np.ndarray:
    """With alpha, where one colour stands for full transparency (PNG 3, 11.3.1.1)."""
    same = values == np.asarray(key, values.dtype)
    transparent = same if same.ndim == 2 else same.all(2)
    alpha = np.where(transparent, 0, top).astype(values.dtype)
    return np.dstack([values, alpha])
