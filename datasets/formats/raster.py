"""PNG, JPEG, WebP, BMP, PGM/PPM, GIF: through Pillow, 16-bit colour PNG through OpenCV (Pillow would cut it to 8 bits).

What is done to the samples: EXIF orientation is applied, an embedded ICC profile is converted to sRGB, CMYK becomes
RGB, palettes are looked up, and transparency is laid on white. Each is noted in `meta`.
"""

from __future__ import annotations

import io
from typing import Any, BinaryIO, ClassVar

import numpy as np

from oddpixel.errors import CorruptFile
from oddpixel.image import Unit

from ..limits import Limits
from ..text import technical_text
from . import Frame, Header

SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"BM": "BMP",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"P5": "PPM",
    b"P6": "PPM",
    b"P2": "PPM",
    b"P3": "PPM",
}
# EXIF tags that describe the device and the exposure, none that names a person or a place (Exif 2.32, tables 4 and 8).
EXIF_TAGS = {271: "make", 272: "model", 305: "software"}
EXIF_PHOTO_TAGS = {33434: "exposure_s", 33437: "f_number", 34855: "iso", 37386: "focal_length_mm", 42036: "lens"}


class Raster:
    """The everyday formats."""

    suffixes: ClassVar[dict[str, str]] = {
        ".png": "PNG",
        ".jpg": "JPEG",
        ".jpeg": "JPEG",
        ".jpe": "JPEG",
        ".webp": "WEBP",
        ".bmp": "BMP",
        ".gif": "GIF",
        ".pgm": "PPM",
        ".ppm": "PPM",
        ".pnm": "PPM",
    }

    def recognise(self, head: bytes) -> str | None:
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return "WEBP"
        name = next((name for signature, name in SIGNATURES.items() if head.startswith(signature)), None)
        if name == "PPM" and head[2:3] not in (b" ", b"\n", b"\t", b"\r"):
            return None
        return name

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
        self.picture = Pillow.open(file, formats=["PNG", "JPEG", "WEBP", "BMP", "GIF", "PPM"])
        width, height = self.picture.size
        # MPO is a JPEG followed by previews of itself: the first is the photograph.
        frames = 1 if self.picture.format == "MPO" else getattr(self.picture, "n_frames", 1)
        limits.check_size(width, height, frames)
        self.header = Header(
            format="JPEG" if self.picture.format == "MPO" else str(self.picture.format),
            width=width,
            height=height,
            frames=frames,
            meta={"mode": self.picture.mode, **exif_facts(self.picture)},
        )

    def frame(self, index: int) -> Frame:
        if self.header.frames > 1:
            self.picture.seek(index)
        if self._is_deep_colour_png():
            return self._deep_colour_png()
        if self.header.format == "PPM" and self.picture.mode == "I":
            return self._deep_pgm()
        return frame_from_pillow(self.picture)

    def as_stored(self) -> Frame:
        """The first frame as the file's samples say: not turned upright, no colour profile applied."""
        if self.header.frames > 1 or self.picture.mode not in ("L", "RGB", "RGBA", "LA"):
            return self.frame(0)
        samples = np.asarray(self.picture)
        notes: dict[str, Any] = {}
        if samples.ndim == 3:
            samples, notes = over_white(samples, 255)
        return Frame(stored=samples, scale=1 / 255, bits=8, unit="display", meta=notes)

    def _deep_pgm(self) -> Frame:
        """Pillow stretches values to 65535; this undoes it exactly (both roundings are to nearest)."""
        self.file.seek(0)
        maxval = _pgm_maxval(self.file.read(4096))
        samples = np.rint(np.asarray(self.picture) * (maxval / 65535)).astype(np.uint16)
        return Frame(stored=samples, scale=1 / maxval, bits=maxval.bit_length(), unit="display")

    def _is_deep_colour_png(self) -> bool:
        if self.header.format != "PNG":
            return False
        self.file.seek(24)
        depth, colour_type = self.file.read(2)
        return depth == 16 and colour_type in (2, 4, 6)

    def _deep_colour_png(self) -> Frame:
        import cv2

        self.file.seek(0)
        samples = cv2.imdecode(np.frombuffer(self.file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
        if samples is None:
            raise CorruptFile("the 16-bit PNG data cannot be decoded")
        meta: dict[str, Any] = {}
        if samples.ndim == 3:
            order = [2, 1, 0, 3][: samples.shape[2]]
            samples, meta = over_white(samples[..., order], 65535)
        return Frame(stored=samples, scale=1 / 65535, bits=16, unit="display", meta=meta)


def frame_from_pillow(picture: Any) -> Frame:
    """The current frame of a Pillow image, brought to grey or sRGB and upright."""
    from PIL import ImageOps

    notes: dict[str, Any] = {}
    if picture.getexif().get(0x0112, 1) != 1:
        notes["orientation_applied"] = int(picture.getexif()[0x0112])
    if picture.mode == "1":
        return Frame(stored=np.asarray(picture).astype(np.uint8), scale=1.0, bits=1, unit="display", meta=notes)
    if picture.mode in ("I", "I;16", "I;16B", "I;16L"):
        deep = np.asarray(picture).astype(np.uint16)
        return Frame(stored=deep, scale=1 / 65535, bits=16, unit="display", meta=notes)
    if picture.mode == "F":
        unit: Unit = "modality"
        return Frame(stored=np.asarray(picture), scale=1.0, bits=32, unit=unit, meta=notes)
    profile = picture.info.get("icc_profile")
    if picture.mode == "P":
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    elif "transparency" in picture.info and picture.mode in ("L", "RGB"):
        picture = picture.convert("LA" if picture.mode == "L" else "RGBA")
    if profile and picture.mode in ("RGB", "L", "CMYK"):
        picture = _to_srgb(picture, profile, notes)
    if picture.mode not in ("L", "LA", "RGB", "RGBA"):
        notes["converted_from"] = picture.mode
        picture = picture.convert("RGB")
    samples = np.asarray(ImageOps.exif_transpose(picture) if "orientation_applied" in notes else picture)
    if samples.ndim == 3 and samples.shape[2] in (2, 4):
        samples, laid = over_white(samples, 255)
        notes |= laid
    return Frame(stored=samples, scale=1 / 255, bits=8, unit="display", meta=notes)


def over_white(samples: np.ndarray, top: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Drop an alpha channel (the last of 2 or 4) by laying the image on white, as a page would."""
    if samples.shape[2] not in (2, 4):
        return samples, {}
    alpha = samples[..., -1:]
    opaque = bool((alpha == top).all())
    colour = samples[..., :-1]
    if not opaque:
        mixed = colour.astype(np.float32) * alpha + (top - alpha.astype(np.float32)) * top
        colour = np.rint(mixed / top).astype(samples.dtype)
    if colour.shape[2] == 1:
        colour = colour[..., 0]
    return colour, {"alpha": "opaque" if opaque else "laid on white"}


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


def _pgm_maxval(head: bytes) -> int:
    """The fourth field of the header, comments left out (netpbm's pgm(5))."""
    fields = b" ".join(line.split(b"#")[0] for line in head.splitlines()).split()
    if len(fields) < 4 or not fields[3].isdigit() or not 0 < int(fields[3]) < 65536:
        raise CorruptFile("the PGM header has no maximum value from 1 to 65535")
    return int(fields[3])


def _to_srgb(picture: Any, profile: bytes, notes: dict[str, Any]) -> Any:
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        name = technical_text(ImageCms.getProfileDescription(source))
        notes["icc_profile"] = name
        if picture.mode == "L" or "sRGB" in str(name):
            return picture
        converted = ImageCms.profileToProfile(
            picture,
            source,
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        notes["icc_profile"] = f"ignored: {technical_text(error)}"
        return picture
    notes["converted_from"] = f"{picture.mode} by its ICC profile"
    return converted
