"""TIFF, 1 to 64 bits, many pages: through tifffile; CMYK, Lab and uncompressed YCbCr pages through Pillow.

Unsigned grey and colour of up to 16 bits become `display`. What says nothing of a range of its own stays as stored, in unit
`modality`: real numbers, signed ones, and counts of more than 16 bits.

Reduced-resolution copies and masks are left out (NewSubfileType, TIFF 6.0 p. 36). Of a whole-slide image the largest picture is
read, never its label. A camera's raw data is refused by name: what lies beside it is only a preview.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any, BinaryIO, ClassVar

import numpy as np

from oddpixel.errors import NoPixels, UnsupportedEncoding

from ..appearance import Alpha, Samples, appearance, as_stored, upright
from ..decoder_log import logged
from ..limits import Limits
from ..masking import equal_to
from ..pillow_samples import frame_from_pillow
from ..text import technical_text
from ..tiff_colours import THROUGH_PILLOW, check_colours, colour_notes, is_jpeg, name_of
from ..tiff_directories import pages_of
from ..tiff_segments import check_byte_counts, check_jpeg_segments, missing_segments
from . import Frame, Header, noted

RAW_PHOTOMETRICS = (32803, 34892)  # colour filter array, linear raw (DNG 1.7, chapter 4)
RAW_TAGS = {50706: "a DNG raw photograph", 50752: "a Canon raw photograph"}
WHOLE_SLIDES = ("svs", "ndpi", "scn", "bif", "philips", "qpi")
# Unknown codes are refused or mean nothing; broken chains (`tiff_directories`) and short lists of segments (`tiff_segments`).
NOTED_ELSEWHERE = re.compile(
    "is not a valid|page offset|circular reference|offset to page|corrupted tag list of page|incorrect Strip"
)
GDAL_NODATA, MAX_SAMPLE_VALUE, ICC_PROFILE, ORIENTATION = 42113, 281, 34675, 274
DEEPEST_DISPLAY = 16  # bits; more are counts or codes, never grey levels of a display
TURNED_BACK = {6: 8, 8: 6}  # every other orientation undoes itself
ALPHAS: dict[int, Alpha] = {1: "premultiplied", 2: "straight"}  # ExtraSamples (TIFF 6.0, p. 31)


class Tiff:
    """TIFF and BigTIFF, with whole-slide images and DNG by their suffixes."""

    suffixes: ClassVar[dict[str, str]] = {
        ".tif": "TIFF", ".tiff": "TIFF", ".svs": "TIFF", ".ndpi": "TIFF", ".scn": "TIFF", ".dng": "TIFF",
    }  # fmt: skip

    def recognise(self, head: bytes) -> str | None:
        """TIFF or BigTIFF by byte order and version."""
        return "TIFF" if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") else None

    def open(self, file: BinaryIO, limits: Limits) -> OpenedTiff:
        """Parse the directories; strips and tiles stay encoded."""
        return OpenedTiff(file, limits)


FORMAT = Tiff


class OpenedTiff:
    """An open TIFF file; its frames are the full-resolution pages."""

    identity = None

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        import tifffile

        self.file, self.limits = file, limits
        with logged("tifffile", NOTED_ELSEWHERE) as complaints:
            self.tiff = tifffile.TiffFile(file, name="page.tif", _multifile=False)
            chain, broken = pages_of(self.tiff, limits)
            self.pages, left_out = _full_pages(self.tiff, chain)
        notes = [*broken, *left_out, *complaints]
        first: Any = self.pages[0]
        limits.check_size(first.imagewidth, first.imagelength)
        self.header = Header(
            format="TIFF",
            width=first.imagewidth,
            height=first.imagelength,
            frames=len(self.pages),
            meta={
                "compression": name_of(first.compression),
                "photometric": name_of(first.photometric),
                **{
                    name.lower(): technical_text(first.tags[name].value)
                    for name in ("Make", "Model", "Software")
                    if name in first.tags
                },
                **({"notes": notes} if notes else {}),
            },
        )

    def frame(self, index: int) -> Frame:
        """Decode one page: `display` for unsigned samples of up to 16 bits, else `modality`."""
        return self._frame(index, stored=False)

    def as_stored(self) -> Frame:
        """The first page before orientation and colour profile are applied."""
        return self._frame(0, stored=True)

    def _frame(self, index: int, *, stored: bool) -> Frame:
        page: Any = self.pages[index]
        self.limits.check_size(page.imagewidth, page.imagelength)
        check_colours(page)
        with logged("tifffile", NOTED_ELSEWHERE) as complaints:
            frame = self._decoded(page, stored=stored)
        return noted(frame, [*colour_notes(page), *complaints])

    def _decoded(self, page: Any, *, stored: bool) -> Frame:
        absent, missing = missing_segments(page)
        if name_of(page.photometric) in THROUGH_PILLOW and not is_jpeg(page):
            if absent is not None:
                raise UnsupportedEncoding(f"{name_of(page.photometric)} in a sparse TIFF: {missing[0]}; save it as RGB")
            return self._through_pillow(page, stored=stored)
        damage = [*check_byte_counts(page), *check_jpeg_segments(page, self.file)]
        values = _samples_of(page)
        if values.dtype.kind == "c":
            raise UnsupportedEncoding(
                "complex numbers are not supported; save magnitude or phase as an image of its own"
            )
        colours, alpha, notes = _colours(page, values)
        notes += [*missing, *damage]
        masked = _either(_without_data(page, colours, alpha), absent)
        orientation = 1 if stored else int(page.tags.valueof(ORIENTATION, 1))
        meta: dict[str, Any] = {"notes": notes} if notes else {}
        if values.dtype.kind in "if" or int(page.bitspersample) > DEEPEST_DISPLAY:
            return _numbers(page, colours, alpha, masked, orientation, meta)
        samples = _display(page, colours, alpha, masked, orientation, meta)
        return (as_stored if stored else appearance)(samples)

    def _through_pillow(self, page: Any, *, stored: bool) -> Frame:
        from PIL import Image as Pillow
        from PIL import UnidentifiedImageError

        if len(page._index if isinstance(page._index, tuple) else (page._index,)) > 1:
            raise UnsupportedEncoding(f"{name_of(page.photometric)} in a nested page is not supported; save it as RGB")
        Pillow.MAX_IMAGE_PIXELS = None
        self.file.seek(0)
        try:
            picture = Pillow.open(self.file, formats=["TIFF"])
            picture.seek(page.index)
        except UnidentifiedImageError as error:
            raise UnsupportedEncoding(
                f"{name_of(page.photometric)} of {page.bitspersample} bits, {name_of(page.compression)} compression "
                "is not supported; save it as RGB"
            ) from error
        frame = frame_from_pillow(picture, stored=stored)
        orientation = int(page.tags.valueof(ORIENTATION, 1))
        if orientation == 1:
            return frame
        if stored:  # Pillow has turned it while it loaded
            return replace(frame, stored=upright(frame.stored, TURNED_BACK.get(orientation, orientation)))
        return replace(frame, meta=frame.meta | {"orientation_applied": orientation})


def _full_pages(tiff: Any, chain: list[Any]) -> tuple[list[Any], list[str]]:
    """The pages that are images in their own right, and what was left out. Raises: UnsupportedEncoding, NoPixels."""
    pages = [nested for page in chain for nested in (page, *(page.pages or ()))]  # with its SubIFDs
    for tag, photograph in RAW_TAGS.items():
        if any(tag in page.tags for page in pages):
            raise _raw(photograph)
    if any(int(page.photometric or 0) in RAW_PHOTOMETRICS for page in pages):
        raise _raw("a camera's raw photograph")
    if any(getattr(pages[0], f"is_{kind}", False) for kind in WHOLE_SLIDES):
        largest = max(pages, key=lambda page: page.imagewidth * page.imagelength)
        return [largest], ["a whole-slide image: its full resolution is read, its label and overviews are not"]
    full = [page for page in pages if not (page.is_reduced or page.is_mask or name_of(page.photometric) == "MASK")]
    full = [page for k, page in enumerate(full) if not any(_is_reduction(page, larger) for larger in full[:k])]
    if not full:
        raise NoPixels("the file holds only reduced-resolution copies or masks of an image that is not in it")
    left_out = len(pages) - len(full)
    notes = [f"{left_out} reduced-resolution copies or masks are left out"] if left_out else []
    if (promised := _promised(tiff)) > len(pages):
        notes.append(f"the file describes {promised} pictures; only its {len(full)} page(s) are read")
    return full, notes


def _is_reduction(page: Any, larger: Any) -> bool:
    """A tiled page of 1/2, 1/4, ... of an earlier one's size: a pyramid whose writer did not mark its levels."""
    if not (page.is_tiled and larger.is_tiled) or page.imagewidth >= larger.imagewidth:
        return False
    factor = round(larger.imagewidth / page.imagewidth)
    is_power = factor >= 2 and factor & (factor - 1) == 0
    sides = ((larger.imagewidth, page.imagewidth), (larger.imagelength, page.imagelength))
    return is_power and all(abs(large / factor - small) <= 1 for large, small in sides)


def _promised(tiff: Any) -> int:
    """How many pictures the file's own description speaks of: some writers put many behind one page."""
    if len(tiff.pages) > 1 or not (tiff.is_imagej or tiff.is_shaped or tiff.is_stk):
        return len(tiff.pages)
    return sum(math.prod(series.shape) // max(math.prod(series.keyframe.shape), 1) for series in tiff.series)


def _raw(photograph: str) -> UnsupportedEncoding:
    return UnsupportedEncoding(
        f"the file is {photograph}, and sensor data are not developed here; export it as TIFF, PNG or JPEG"
    )


def _samples_of(page: Any) -> np.ndarray:
    """`[h, w]` or `[h, w, c]`. Raises: UnsupportedEncoding."""
    values = np.asarray(page.asarray())
    if int(page.planarconfig or 1) == 2 and values.ndim == 3:
        values = np.moveaxis(values, 0, 2)
    if values.ndim not in (2, 3):
        raise UnsupportedEncoding(f"a TIFF page of shape {values.shape} is not supported; [h, w] and [h, w, c] are")
    return values.astype(np.uint8) if values.dtype == bool else values


def _colours(page: Any, values: np.ndarray) -> tuple[np.ndarray, Alpha, list[str]]:
    """The colours, with the alpha last if there is one; every other extra band is left out."""
    extra = tuple(int(kind) for kind in page.extrasamples or ())
    if values.ndim == 2 or not extra:
        return values, "none", []
    num_colours = values.shape[2] - len(extra)
    if num_colours not in (1, 3):
        raise UnsupportedEncoding(f"{num_colours} bands besides {len(extra)} extra ones are not supported; 1 or 3 are")
    place = next((k for k, kind in enumerate(extra) if kind in ALPHAS), None)
    bands = list(range(num_colours)) + ([] if place is None else [num_colours + place])
    left_out = values.shape[2] - len(bands)
    notes = [f"{left_out} extra band(s) that are not transparency are left out"] if left_out else []
    colours = values[..., bands]
    return colours, "none" if place is None else ALPHAS[extra[place]], notes


def _numbers(
    page: Any, colours: np.ndarray, alpha: Alpha, masked: np.ndarray | None, orientation: int, meta: dict[str, Any]
) -> Frame:
    """Values of no range of their own. An alpha of 0 masks."""
    if alpha != "none":
        masked = _either(colours[..., -1] == 0, masked)
        colours = colours[..., :-1]
    if colours.ndim == 3 and colours.shape[2] == 1:
        colours = colours[..., 0]
    if orientation != 1:
        colours, meta["orientation_applied"] = upright(colours, orientation), orientation
        masked = None if masked is None else upright(masked, orientation)
    bits = 8 * colours.dtype.itemsize
    return Frame(stored=colours, scale=1.0, bits=bits, unit="modality", masked=masked, meta=meta)


def _display(
    page: Any, colours: np.ndarray, alpha: Alpha, masked: np.ndarray | None, orientation: int, meta: dict[str, Any]
) -> Samples:
    kind, bits = name_of(page.photometric), int(page.bitspersample)
    if kind == "PALETTE":
        colours, bits = _looked_up(page.colormap, colours, bits, alpha)
    elif alpha == "none":
        bits = _declared_bits(page, colours, bits)
    if kind == "MINISWHITE":
        colours = colours.copy()
        inks = colours[..., :-1] if alpha != "none" else colours
        inks[...] = 2**bits - 1 - inks
    return Samples(
        values=colours,
        bits=bits,
        alpha=alpha,
        profile=page.tags.valueof(ICC_PROFILE),
        orientation=orientation,
        masked=masked,
        meta=meta,
    )


def _looked_up(colormap: np.ndarray, values: np.ndarray, bits: int, alpha: Alpha) -> tuple[np.ndarray, int]:
    """Entries have 16 bits (TIFF 6.0, p. 23); old writers put 8-bit ones into them. An alpha of the indices' depth stays last."""
    indices = values if values.ndim == 2 else values[..., 0]
    depth, dtype = (8, np.uint8) if int(colormap.max()) < 256 else (16, np.uint16)
    colours = np.moveaxis(colormap.astype(dtype)[:, indices], 0, 2)
    if alpha == "none":
        return colours, depth
    opacity = np.rint(values[..., -1:] * ((2**depth - 1) / (2**bits - 1))).astype(dtype)
    return np.concatenate([colours, opacity], 2), depth


def _declared_bits(page: Any, values: np.ndarray, bits: int) -> int:
    """The depth by MaxSampleValue, where it is below the container's and the samples agree: it is often a statistic instead."""
    declared = np.ravel(page.tags.valueof(MAX_SAMPLE_VALUE, 0))
    top = int(declared.max()) if declared.size else 0
    is_range = top > 0 and top & (top + 1) == 0
    return top.bit_length() if is_range and top.bit_length() < bits and int(values.max()) <= top else bits


def _without_data(page: Any, colours: np.ndarray, alpha: Alpha) -> np.ndarray | None:
    nodata = _nodata(page)
    return None if nodata is None else equal_to(colours if alpha == "none" else colours[..., :-1], nodata)


def _either(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    return first if second is None else second if first is None else first | second


def _nodata(page: Any) -> float | None:
    """What GDAL writes where nothing was recorded."""
    text = page.tags.valueof(GDAL_NODATA)
    try:
        return None if text is None else float(str(text).strip().strip("\0"))
    except ValueError:
        return None
