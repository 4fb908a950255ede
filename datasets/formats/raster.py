"""PNG, JPEG, WebP, BMP: through Pillow; PNG of 16 bits through imagecodecs (Pillow would cut colour to 8 bits).

What is done to the samples (`appearance`): an embedded ICC profile is converted to sRGB, transparency is laid on white, EXIF
orientation is applied; CMYK becomes RGB, and palettes are looked up. Each is noted in `meta`.
"""

from __future__ import annotations

import struct
from functools import cached_property
from typing import Any, BinaryIO, ClassVar

import numpy as np

from ..appearance import Samples, appearance, as_stored
from ..code_points import profile_of
from ..containers import CONTAINERS
from ..jpeg_integrity import check_jpeg
from ..limits import Limits
from ..pillow_samples import frame_from_pillow, orientation_of
from ..png_header import PngHeader, check_indices, read_header, significant_bits
from ..png_integrity import check_png
from ..png_order import check_image_header, check_order
from ..text import technical_text
from . import Frame, Header, noted

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
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
    }

    def recognise(self, head: bytes) -> str | None:
        """PNG, JPEG, WebP or BMP by signature."""
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return "WEBP"
        return next((name for name in ("PNG", "JPEG", "BMP") if head.startswith(CONTAINERS[name].signatures)), None)

    def open(self, file: BinaryIO, limits: Limits) -> OpenedRaster:
        """Parse the header."""
        return OpenedRaster(file, limits)


FORMAT = Raster


class OpenedRaster:
    """An open PNG, JPEG, WebP or BMP file."""

    identity = None

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        from PIL import Image as Pillow
        from PIL import WebPImagePlugin  # noqa: F401 -- Pillow registers it late

        Pillow.MAX_IMAGE_PIXELS = None  # our own cap, checked below, comes first and names its figure
        self.file, self.limits = file, limits
        if file.read(len(PNG_SIGNATURE)) == PNG_SIGNATURE:
            check_image_header(file)
        file.seek(0)
        self.picture = Pillow.open(file, formats=["PNG", "JPEG", "WEBP", "BMP"])
        width, height = self.picture.size
        num_pictures = getattr(self.picture, "n_frames", 1)
        # MPO is a JPEG followed by previews of itself, or by other views: the first is the photograph.
        frames = 1 if self.picture.format == "MPO" else num_pictures
        limits.check_size(width, height, frames)
        self.png, self.num_colours = PngHeader(), None
        notes: list[str] = []
        if self.picture.format == "PNG":
            notes = self._read_png(frames)
            self.num_colours = self.png.num_colours
        elif self.picture.format == "MPO" and num_pictures > 1:
            notes = [f"{num_pictures - 1} further picture(s) of the MPO (previews or other views) are left out"]
        elif self.picture.format == "BMP":
            self.num_colours = _bmp_colours(file)
            self.picture.info.update(_bmp_profile(file))
        self.header = Header(
            format="JPEG" if self.picture.format == "MPO" else str(self.picture.format),
            width=width,
            height=height,
            frames=frames,
            meta={"mode": self.picture.mode, **exif_facts(self.picture), **({"notes": notes} if notes else {})},
        )

    def frame(self, index: int) -> Frame:
        """Decode one frame, in grey or sRGB, upright and opaque."""
        return self._frame(index, stored=False)

    def as_stored(self) -> Frame:
        """The first frame before orientation and colour profile are applied."""
        return self._frame(0, stored=True)

    def _frame(self, index: int, *, stored: bool) -> Frame:
        notes = self._integrity
        frame = self._decoded(index, stored=stored)
        return noted(frame, notes)

    def _decoded(self, index: int, *, stored: bool) -> Frame:
        if self.header.frames > 1:
            self.picture.seek(index)
        elif self.png.depth == 16:
            return (as_stored if stored else appearance)(self._deep_png())
        frame = frame_from_pillow(self.picture, stored=stored, bits=min(self.png.depth, 8))
        if self.num_colours is not None and self.picture.mode in ("P", "L"):  # L: a palette of greys in order
            check_indices(np.asarray(self.picture), self.num_colours)
        return noted(frame, self._unused_bits(frame))

    def _unused_bits(self, frame: Frame) -> list[str]:
        """A note on an 8-bit PNG whose samples stay at the lower end of its bits; they should be scaled over all of them."""
        bits = self.png.significant or 8
        if bits >= 8 or self.png.depth != 8 or self.num_colours is not None or int(frame.stored.max()) >= 2**bits:
            return []
        return [f"sBIT declares {bits} significant bits and no sample is above {2**bits - 1}: it may be too dark"]

    @cached_property
    def _integrity(self) -> list[str]:
        """Notes on damage that Pillow decodes without a word. Raises: CorruptFile."""
        if self.header.format == "JPEG":
            self.file.seek(0)
            return check_jpeg(self.file.read())
        if self.header.format == "PNG":
            return [*check_order(self.file, self.png.colour_type), *check_png(self.file)]
        return []

    def _read_png(self, num_frames: int) -> list[str]:
        """Read the chunks of a PNG into this object; returns notes. Raises: CorruptFile, UnsupportedEncoding."""
        self.png = read_header(self.file)
        info, notes = self.picture.info, []
        if "icc_profile" in info and not info["icc_profile"]:  # Pillow could not inflate it
            notes.append("the colour profile is damaged and is not applied: colours are not converted")
        if self.png.code_points is not None:  # they win over a profile
            info.pop("icc_profile", None)
            profile, facts = profile_of(*self.png.code_points)
            notes += facts.get("notes", [])
            info |= {} if profile is None else {"icc_profile": profile}
        if num_frames > 1 and self.png.depth == 16:
            notes.append("an animated PNG of 16 bits is read in 8 bits")
        has_colours = bool(info.get("icc_profile")) or "srgb" in info or self.png.code_points is not None
        return notes if has_colours else [*notes, *self._undescribed_colours()]

    def _undescribed_colours(self) -> list[str]:
        """Notes on gamma and primaries without a colour profile."""
        notes, gamma = [], self.picture.info.get("gamma")
        if gamma and abs(gamma - SRGB_GAMMA) > GAMMA_TOLERANCE:
            notes.append(f"the file declares gamma {gamma:g} without a colour profile; its values are taken as sRGB")
        if self.png.has_other_primaries:
            notes.append("the file declares primaries other than sRGB's without a colour profile; they are not applied")
        return notes

    def _deep_png(self) -> Samples:
        """16 bits a sample, of which fewer may be significant."""
        import imagecodecs

        self.file.seek(0)
        values = imagecodecs.png_decode(self.file.read())
        if self.png.colour_type == 0 and values.ndim == 3:
            values = values[..., 0]
        has_alpha = values.ndim == 3 and values.shape[2] in (2, 4)
        key = None if has_alpha else self.picture.info.get("transparency")
        transparent = None if key is None else _equal_to_key(values, key)
        values, bits, notes = significant_bits(values, self.png.significant, has_alpha=has_alpha)
        if transparent is not None:
            values, has_alpha = _with_alpha(values, transparent, 2**bits - 1), True
        return Samples(
            values=values,
            bits=bits,
            alpha="straight" if has_alpha else "none",
            profile=self.picture.info.get("icc_profile"),
            orientation=orientation_of(self.picture),
            meta={"notes": notes} if notes else None,
        )


def exif_facts(picture: Any) -> dict[str, Any]:
    """EXIF facts on device and exposure, as bounded text; nothing that names a person or a place."""
    try:
        exif = picture.getexif()
        tags = {name: exif[tag] for tag, name in EXIF_TAGS.items() if tag in exif}
        photo = exif.get_ifd(0x8769)
        tags |= {name: photo[tag] for tag, name in EXIF_PHOTO_TAGS.items() if tag in photo}
    except Exception:  # a broken EXIF block does not make the pixels unreadable
        return {"exif": "unreadable"}
    return {name: technical_text(value) for name, value in tags.items()}


def _bmp_profile(file: BinaryIO) -> dict[str, bytes]:
    """The profile embedded in a BMP header of version 5 (BITMAPV5HEADER, `bV5CSType` PROFILE_EMBEDDED)."""
    file.seek(0)
    head = file.read(BMP_HEADER + 124)
    if len(head) < BMP_HEADER + 124 or head[BMP_HEADER] != 124 or head[BMP_HEADER + 56 : BMP_HEADER + 60] != b"DEBM":
        return {}
    offset, size = struct.unpack("<II", head[BMP_HEADER + 112 : BMP_HEADER + 120])
    file.seek(BMP_HEADER + offset)
    profile = file.read(min(size, LARGEST_PROFILE))
    return {"icc_profile": profile} if profile and len(profile) == size else {}


def _bmp_colours(file: BinaryIO) -> int | None:
    """Entries of the palette (BITMAPINFOHEADER, `biClrUsed`); None where the pixels are no indices."""
    file.seek(0)
    head = file.read(BMP_HEADER + 40)
    size = int.from_bytes(head[BMP_HEADER : BMP_HEADER + 4], "little")
    if len(head) < BMP_HEADER + 40 or size < 40:
        return None
    bits = int.from_bytes(head[BMP_HEADER + 14 : BMP_HEADER + 16], "little")
    used = int.from_bytes(head[BMP_HEADER + 32 : BMP_HEADER + 36], "little")
    return used or 2**bits if bits <= 8 else None


def _with_alpha(values: np.ndarray, transparent: np.ndarray, top: int) -> np.ndarray:
    return np.dstack([values, np.where(transparent, 0, top).astype(values.dtype)])


def _equal_to_key(values: np.ndarray, key: Any) -> np.ndarray:
    """Mask of the one colour, in all bits of the samples, that stands for full transparency (PNG 3, 11.3.1.1)."""
    same = np.equal(values, np.asarray(key, values.dtype))
    result: np.ndarray = same if same.ndim == 2 else np.all(same, axis=2)
    return result
