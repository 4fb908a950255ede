"""TIFF, 1 to 32 bits, many pages: through tifffile; JPEG-coloured, CMYK and Lab pages through Pillow.

Integer grey and colour become `display` (0..1 over the stored depth); floating-point samples stay as they are.
"""

from __future__ import annotations

from typing import Any, BinaryIO, ClassVar

import numpy as np

from oddpixel.errors import UnsupportedEncoding

from ..limits import Limits
from ..text import technical_text
from . import Frame, Header
from .raster import frame_from_pillow, over_white


class Tiff:
    suffixes: ClassVar[dict[str, str]] = {".tif": "TIFF", ".tiff": "TIFF"}

    def recognise(self, head: bytes) -> str | None:
        return "TIFF" if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") else None

    def open(self, file: BinaryIO, limits: Limits) -> OpenedTiff:
        return OpenedTiff(file, limits)


FORMAT = Tiff


class OpenedTiff:
    identity = None

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        import tifffile

        self.file, self.limits = file, limits
        self.tiff = tifffile.TiffFile(file, name="page.tif", _multifile=False)
        self.pages = self.tiff.pages
        first: Any = self.pages[0]
        limits.check_size(first.imagewidth, first.imagelength, len(self.pages))
        self.header = Header(
            format="TIFF",
            width=first.imagewidth,
            height=first.imagelength,
            frames=len(self.pages),
            meta={
                "compression": _name(first.compression),
                "photometric": _name(first.photometric),
                **{
                    name.lower(): technical_text(first.tags[name].value)
                    for name in ("Make", "Model", "Software")
                    if name in first.tags
                },
            },
        )

    def frame(self, index: int) -> Frame:
        page: Any = self.pages[index]
        self.limits.check_size(page.imagewidth, page.imagelength)
        kind = _name(page.photometric)
        if kind in ("YCBCR", "SEPARATED", "CIELAB", "ICCLAB"):
            return self._through_pillow(index)
        samples = np.asarray(page.asarray())
        if int(page.planarconfig or 1) == 2 and samples.ndim == 3:
            samples = np.moveaxis(samples, 0, 2)
        if samples.ndim not in (2, 3):
            raise UnsupportedEncoding(
                f"a TIFF page of shape {samples.shape}; only [h, w] and [h, w, c] pages are images"
            )
        meta: dict[str, Any] = {}
        if samples.dtype.kind == "f":
            return Frame(stored=samples, scale=1.0, bits=8 * samples.itemsize, unit="modality", meta=meta)
        bits = int(page.bitspersample)
        top = 2**bits - 1
        if kind == "PALETTE":
            samples, bits, top = np.moveaxis(page.colormap[:, samples], 0, 2), 16, 65535
        if samples.dtype == bool:
            samples = samples.astype(np.uint8)
        if kind == "MINISWHITE":
            samples = top - samples
        if samples.ndim == 3 and page.extrasamples:
            samples, meta = over_white(samples, top)
        orientation = page.tags.get("Orientation")
        if orientation is not None and orientation.value != 1:
            samples, meta = (
                upright(samples, int(orientation.value)),
                meta | {"orientation_applied": int(orientation.value)},
            )
        return Frame(stored=samples, scale=1 / top, bits=bits, unit="display", meta=meta)

    def _through_pillow(self, index: int) -> Frame:
        from PIL import Image as Pillow

        Pillow.MAX_IMAGE_PIXELS = None
        self.file.seek(0)
        picture = Pillow.open(self.file, formats=["TIFF"])
        picture.seek(index)
        return frame_from_pillow(picture)


def _name(code: Any) -> str:
    """tifffile gives a known code as an enum, an unknown one as a plain number."""
    return str(getattr(code, "name", code))


def upright(samples: np.ndarray, orientation: int) -> np.ndarray:
    """Undo a TIFF/EXIF orientation 1..8 (TIFF 6.0, p. 36)."""
    if orientation in (5, 6, 7, 8):
        samples = np.swapaxes(samples, 0, 1)
    flip_rows = orientation in (3, 4, 7, 8)
    flip_columns = orientation in (2, 3, 6, 7)
    return samples[:: -1 if flip_rows else 1, :: -1 if flip_columns else 1]
