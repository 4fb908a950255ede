"""Text that is burned into pixels: found by a detector, masked, and looked for again.

The detector is PP-OCR's (rapidocr, with its weights in the package; Apache-2.0). It takes a picture without text for one large
line at times, so a box counts where it is as low as a line of text is, or where letters are read in it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import UInt8

from oddpixel.errors import NotDeidentified

LINE = 0.12  # of the picture's height, at most, where no letters are read
READ = 0.6  # the least confidence of letters
MARGIN = 0.35  # of a box's height, around it
UNSEEN = ("FloatPixelData", "DoubleFloatPixelData")
LEAST_SIDE = 640  # smaller pictures are enlarged: letters of 6 pixels are found then


def boxes(grey: UInt8[np.ndarray, "h w"]) -> list[tuple[int, int, int, int]]:
    """Where text is: first and last row, first and last column, exclusive."""
    import cv2

    factor = max(1.0, LEAST_SIDE / min(grey.shape))
    large = grey if factor == 1 else cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    said = reader()(np.dstack([large] * 3), use_det=True, use_cls=False, use_rec=True)
    if said.boxes is None:
        return []
    found = []
    for corners, text, score in zip(said.boxes, said.txts, said.scores, strict=True):
        (left, top), (right, bottom) = np.min(corners, 0) / factor, np.max(corners, 0) / factor
        height = bottom - top
        is_read = score >= READ and sum(letter.isalnum() for letter in text) >= 2
        if is_read or height <= LINE * grey.shape[0]:
            edge = MARGIN * height
            rows = max(int(top - edge), 0), min(int(np.ceil(bottom + edge)), grey.shape[0])
            columns = max(int(left - edge), 0), min(int(np.ceil(right + edge)), grey.shape[1])
            found.append((*rows, *columns))
    return found


def clean_pixels(data: Any, *, mask: bool = True, goes_on: Callable[[], None] = lambda: None) -> int:
    """Look for text in every frame of a data set and mask it, in place; how many places were masked.

    The pixels are written anew, uncompressed, and nothing else: comments in compressed ones, bits that no value uses and bytes
    behind the last frame go.

    Arguments:
        goes_on: called before each frame is looked at.

    Raises: NotDeidentified where text is found and shall not be, or cannot be, masked, or where pixels cannot be looked at.
    """
    if any(name in data for name in UNSEEN) or any(
        name in item for item in _items(data) for name in (*UNSEEN, "PixelData")
    ):
        raise NotDeidentified("it holds pixels that are not looked at (in a sequence, or of floating-point numbers)")
    if "PixelData" not in data:
        return 0
    _write_anew(data)
    found = [found_in_any(_seen(frame, data)) for frame in _each(data, goes_on)]
    count = sum(map(len, found))
    if not count:
        return 0
    if not mask:
        raise NotDeidentified(f"there seems to be text in the pixels, in {count} places; mask it, or look at the file")
    _mask(data, found)
    for frame, places in zip(_each(data, goes_on), found, strict=True):
        if places and found_in_any(_seen(frame, data)):
            raise NotDeidentified("text was found in the pixels, and still is after masking; the file was not written")
    return count


def _items(data: Any) -> Iterator[Any]:
    """All data sets in sequences, however deep."""
    for element in data:
        if element.VR == "SQ":
            for item in element.value:
                yield item
                yield from _items(item)


def _write_anew(data: Any) -> None:
    """Only values, and those at the low end of their words."""
    from pydicom.pixels.utils import get_expected_length

    try:
        if data.file_meta.TransferSyntaxUID.is_compressed:
            data.decompress(generate_instance_uid=False)
        content = data.PixelData[: get_expected_length(data)]
        bits, stored = int(data.BitsAllocated), int(data.BitsStored)
        if bits in (8, 16, 32) and 0 < stored < bits:
            pixels = np.frombuffer(content, _stored_type(data))
            above = bits - 1 - int(data.HighBit)  # bits that no value uses, on either side of it
            if above < 0 or above + stored > bits:
                raise ValueError("bits outside of their words")
            content = ((pixels << above) >> (bits - stored)).astype(pixels.dtype).tobytes()
            data.HighBit = stored - 1
        data.PixelData = content + b"\0" * (len(content) % 2)
    except Exception as error:  # of a decoder anything may come
        raise NotDeidentified(
            f"its pixels cannot be decoded ({type(error).__name__}): text in them would stay"
        ) from error


def _stored_type(data: Any) -> np.dtype[Any]:
    """How one sample lies in the file."""
    order = "<" if data.file_meta.TransferSyntaxUID.is_little_endian else ">"
    kind = "i" if int(data.PixelRepresentation) == 1 else "u"
    return np.dtype(f"{order}{kind}{int(data.BitsAllocated) // 8}")


def found_in_any(views: Sequence[np.ndarray]) -> list[tuple[int, int, int, int]]:
    """In any of the ways in which a frame is seen."""
    return [box for view in views for box in found_in(view)]


def found_in(frame: np.ndarray) -> list[tuple[int, int, int, int]]:
    """In the contrast of most values, and in that of all: text is often brighter than anything else."""
    low, high = np.percentile(frame, (0.5, 99.5))
    contrasts = {(float(low), float(high)), (float(frame.min()), float(frame.max()))}
    return [
        box for contrast in sorted(contrasts) if contrast[1] > contrast[0] for box in boxes(_grey(frame, *contrast))
    ]


def _seen(frame: np.ndarray, data: Any) -> list[np.ndarray]:
    """A frame as it may be looked at: in grey, in each of its colours, which may tell text from its ground alone."""
    from pydicom.pixels import apply_color_lut

    if data.PhotometricInterpretation == "PALETTE COLOR":
        frame = np.asarray(apply_color_lut(frame, data))
    if frame.ndim == 2:
        return [frame]
    colours = [np.ascontiguousarray(frame[..., k]) for k in range(frame.shape[-1])]
    return colours[:1] if all(np.array_equal(colours[0], other) for other in colours[1:]) else colours


def _grey(frame: np.ndarray, low: float, high: float) -> UInt8[np.ndarray, "h w"]:
    grey = frame if frame.ndim == 2 else frame.mean(-1)
    return np.asarray(np.clip((grey - low) / (high - low) * 255, 0, 255), np.uint8)


def _frames(data: Any) -> Iterator[np.ndarray]:
    """Every frame as stored, `[h, w]` or `[h, w, c]`. Raises: NotDeidentified."""
    from pydicom.pixels import iter_pixels

    try:
        yield from iter_pixels(data, raw=True)
    except Exception as error:  # of a decoder anything may come
        raise NotDeidentified(
            f"its pixels cannot be decoded ({type(error).__name__}): text in them would stay"
        ) from error


def _each(data: Any, goes_on: Callable[[], None]) -> Iterator[np.ndarray]:
    for frame in _frames(data):
        goes_on()
        yield frame


def _mask(data: Any, found: list[list[tuple[int, int, int, int]]]) -> None:
    """Write black over places, in the values that are stored."""
    frames = []
    for frame, places in zip(_frames(data), found, strict=True):
        masked, covered = np.array(frame), np.zeros(frame.shape[:2], bool)
        for top, bottom, left, right in places:
            covered[top:bottom, left:right] = True
        masked[covered] = _black(data, frame)
        frames.append(masked)
    pixels = np.stack(frames)
    if data.PhotometricInterpretation == "YBR_FULL_422":  # its colours are at every pixel now
        data.PhotometricInterpretation = "YBR_FULL"
    if int(data.get("PlanarConfiguration", 0) or 0):
        data.PlanarConfiguration = 0
    data.PixelData = _packed(data, pixels)


def _black(data: Any, frame: np.ndarray) -> Any:
    """The darkest value."""
    kind = str(data.PhotometricInterpretation)
    if kind == "PALETTE COLOR":
        from pydicom.pixels import apply_color_lut

        values = np.unique(frame)
        shown = np.asarray(apply_color_lut(values[None], data), np.int64).sum(-1)[0]
        return values[shown.argmin()]
    if kind.startswith("YBR"):
        return np.array([0, 128, 128], frame.dtype)
    return frame.max() if kind == "MONOCHROME1" else frame.min()


def _packed(data: Any, pixels: np.ndarray) -> bytes:
    """As the file's words lie."""
    from pydicom.pixels.utils import pack_bits

    if int(data.BitsAllocated) == 1:
        return bytes(pack_bits(pixels.ravel()))
    content = pixels.astype(_stored_type(data)).tobytes()
    content += b"\0" * (len(content) % 2)
    is_turned = data["PixelData"].VR == "OW" and not data.file_meta.TransferSyntaxUID.is_little_endian
    if int(data.BitsAllocated) == 8 and is_turned:  # bytes in words of two
        content = np.frombuffer(content, ">u2").astype("<u2").tobytes()
    return content


@cache
def reader() -> Any:
    """PP-OCR, on one thread."""
    from rapidocr import RapidOCR

    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    parts = {"Global.use_cls": False, "Global.log_level": "error", "EngineConfig.onnxruntime.intra_op_num_threads": 1}
    return RapidOCR(params=parts)
