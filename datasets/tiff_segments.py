"""Strips and tiles of a TIFF page: which are not in the file, and whether those there are whole (TIFF 6.0, p. 19, 39 and 66).

A sparse file leaves a segment out by an offset and a count of 0 (GDAL); a reader fills it with zeros or with nodata.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Bool

from oddpixel.errors import CorruptFile

from .jpeg_integrity import NOT_CHECKED, check_jpeg

JPEG = (7, 33007, 34892)  # JPEG, and the lossy one of other writers and of DNG
OLD_JPEG = 6
UNCOMPRESSED = 1
START_OF_IMAGE_BYTES, END_OF_IMAGE_BYTES = 2, 2


def missing_segments(page: Any) -> tuple[Bool[np.ndarray, "h w"] | None, list[str]]:
    """Mask of strips or tiles of any plane that are not in the file, and a note; None where all are there."""
    width, height = int(page.imagewidth), int(page.imagelength)
    columns = int(page.tilewidth) if page.is_tiled else width
    rows = int(page.tilelength) if page.is_tiled else min(int(page.rowsperstrip or height), height)
    across, down = -(-width // columns), -(-height // rows)
    num_segments = across * down * (int(page.samplesperpixel) if int(page.planarconfig or 1) == 2 else 1)
    absent = [k for k in range(num_segments) if not _is_there(page, k)]
    if not absent:
        return None, []
    masked = np.zeros((height, width), bool)
    for k in absent:
        row, column = divmod(k % (across * down), across)
        masked[row * rows : (row + 1) * rows, column * columns : (column + 1) * columns] = True
    kind = "tiles" if page.is_tiled else "strips"
    return masked, [f"{len(absent)} of {num_segments} {kind} are not in the file"]


def _is_there(page: Any, segment: int) -> bool:
    """A page may list fewer segments than it needs; one of old-style JPEG lists its data elsewhere (TIFF 6.0, section 22)."""
    if segment >= min(len(page.dataoffsets), len(page.databytecounts)):
        return int(page.compression) == OLD_JPEG
    return bool(page.databytecounts[segment] and page.dataoffsets[segment])


def check_byte_counts(page: Any) -> list[str]:
    """Check declared byte counts of uncompressed segments against their rows; returns notes.

    One segment alone is read by its rows, as libtiff does; of several, a short one has lost some.

    Raises: CorruptFile.
    """
    if int(page.compression) != UNCOMPRESSED:
        return []
    row, rows = _row_bytes(page), _rows_of_segments(page)
    pairs = [(count, row * num_rows) for count, num_rows in zip(page.databytecounts, rows, strict=False) if count]
    short = [pair for pair in pairs if pair[0] < pair[1]]
    if short and len(rows) > 1:
        count, needed = short[0]
        raise CorruptFile(
            f"a strip or tile has {count} bytes, but its rows need {needed}; get an undamaged copy of the file"
        )
    if short:
        return [_other_size(*short[0])]
    surplus = [(count, needed) for count, needed in pairs if count >= needed + row and count > row * max(rows)]
    return [_other_size(*surplus[0])] if surplus and not _holds_many_pictures(page) else []


def _row_bytes(page: Any) -> int:
    columns = int(page.tilewidth) if page.is_tiled else int(page.imagewidth)
    samples = int(page.samplesperpixel) if int(page.planarconfig or 1) == 1 else 1
    return -(-columns * samples * int(page.bitspersample) // 8)


def _rows_of_segments(page: Any) -> list[int]:
    """Rows of each segment; the last strip of a plane may have fewer."""
    height, planes = int(page.imagelength), int(page.samplesperpixel) if int(page.planarconfig or 1) == 2 else 1
    if page.is_tiled:
        across = -(-int(page.imagewidth) // int(page.tilewidth))
        return [int(page.tilelength)] * (across * -(-height // int(page.tilelength)) * planes)
    rows = min(int(page.rowsperstrip or height), height)
    return [min(rows, height - first) for first in range(0, height, rows)] * planes


def _holds_many_pictures(page: Any) -> bool:
    """Some writers put a whole stack behind one page."""
    return bool(page.is_imagej or page.is_stk or page.is_lsm or page.is_shaped)


def _other_size(declared: int, needed: int) -> str:
    return f"a strip or tile is declared with {declared} bytes, but its rows need {needed}: size or depth may be wrong"


def check_jpeg_segments(page: Any, file: BinaryIO) -> list[str]:
    """Check the page's JPEG data; returns notes, none for other compressions. Raises: CorruptFile."""
    if int(page.compression) not in JPEG:
        return []
    if page.jpegheader:  # the header lies elsewhere, and without it nothing can be decoded
        return [NOT_CHECKED]
    return list(dict.fromkeys(note for stream in _streams(page, file) for note in check_jpeg(stream)))


def _streams(page: Any, file: BinaryIO) -> Iterator[bytes]:
    """Yield every segment, with the tables that the page keeps once for all of them."""
    tables = (page.jpegtables or b"")[:-END_OF_IMAGE_BYTES]
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        if count:
            file.seek(offset)
            segment = file.read(count)
            yield tables + segment[START_OF_IMAGE_BYTES:] if tables else segment
