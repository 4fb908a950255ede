"""Text that is burned into pixels: found by a detector, masked, and looked for again.

The detector is PP-OCR's (rapidocr, with its weights in the package; Apache-2.0). It takes a picture without text for one large
line at times, so a box counts where it is as low as a line of text is, or where letters are read in it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

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
    found = [found_in(frame) for frame in _each(data, goes_on)]
    count = sum(map(len, found))
    if not count:
        return 0
    if not mask:
        raise NotDeidentified(f"there seems to be text in the pixels, in {count} places; mask it, or look at the file")
    _mask(data, found)
    for frame, places in zip(_each(data, goes_on), found, strict=True):
        if places and found_in(frame):
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
    from pydicom.pixels.utils import get_expected_length

    try:
        if data.file_meta.TransferSyntaxUID.is_compressed:
            data.decompress(generate_instance_uid=False)
        content = data.PixelData[: get_expected_length(data)]
        bits, stored = int(data.BitsAllocated), int(data.BitsStored)
        if bits in (16, 32) and stored < bits and int(data.HighBit) == stored - 1:
            signed = int(data.PixelRepresentation) == 1
            unused = bits - stored
            pixels = np.frombuffer(content, np.dtype(f"<{'i' if signed else 'u'}{bits // 8}"))
            content = ((pixels << unused) >> unused).astype(pixels.dtype).tobytes()
        data.PixelData = content + b"\0" * (len(content) % 2)
    except Exception as error:  # of a decoder anything may come
        raise NotDeidentified(
            f"its pixels cannot be decoded ({type(error).__name__}): text in them would stay"
        ) from error


def found_in(frame: np.ndarray) -> list[tuple[int, int, int, int]]:
    """In the contrast of most values, and in that of all: text is often brighter than anything else."""
    low, high = np.percentile(frame, (0.5, 99.5))
    contrasts = {(float(low), float(high)), (float(frame.min()), float(frame.max()))}
    return [
        box for contrast in sorted(contrasts) if contrast[1] > contrast[0] for box in boxes(_grey(frame, *contrast))
    ]


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
    """Write black over places."""
    pixels = np.array(data.pixel_array) if len(found) > 1 else np.array(data.pixel_array)[None]
    black = pixels.max() if data.PhotometricInterpretation == "MONOCHROME1" else pixels.min()
    for frame, places in zip(pixels, found, strict=True):
        covered: Bool[np.ndarray, "h w"] = np.zeros(frame.shape[:2], bool)
        for top, bottom, left, right in places:
            covered[top:bottom, left:right] = True
        frame[covered] = black
    if int(data.get("PlanarConfiguration", 0) or 0):
        data.PlanarConfiguration = 0
    content = pixels.tobytes()
    data.PixelData = content + b"\0" * (len(content) % 2)


@cache
def reader() -> Any:
    """PP-OCR, on one thread."""
    from rapidocr import RapidOCR

    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    parts = {"Global.use_cls": False, "Global.log_level": "error", "EngineConfig.onnxruntime.intra_op_num_threads": 1}
    return RapidOCR(params=parts)
