"""Strips and tiles of a TIFF page: which are not in the file, and whether those of JPEG are whole (TIFF 6.0, p. 19 and 66).

A sparse file leaves a segment out by an offset and a count of 0 (GDAL); a reader fills it with zeros or with nodata.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import Bool

from .jpeg_integrity import NOT_CHECKED, check_jpeg

JPEG = (7, 33007, 34892)  # JPEG, and the lossy one of other writers and of DNG
OLD_JPEG = 6
START_OF_IMAGE_BYTES, END_OF_IMAGE_BYTES = 2, 2


def missing_segments(page: Any) -> tuple[Bool[np.ndarray, "h w"] | None, list[str]]:
    """Where strips or tiles of any plane are not in the file, and a note; None where all are."""
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


def check_jpeg_segments(page: Any, file: BinaryIO) -> list[str]:
    """Notes on the page's JPEG data, none for other compressions. Raises: CorruptFile."""
    if int(page.compression) not in JPEG:
        return []
    if page.jpegheader:  # the header lies elsewhere, and without it nothing can be decoded
        return [NOT_CHECKED]
    return list(dict.fromkeys(note for stream in _streams(page, file) for note in check_jpeg(stream)))


def _streams(page: Any, file: BinaryIO) -> Iterator[bytes]:
    """Every segment, with the tables that the page keeps once for all of them."""
    tables = (page.jpegtables or b"")[:-END_OF_IMAGE_BYTES]
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        if count:
            file.seek(offset)
            segment = file.read(count)
            yield tables + segment[START_OF_IMAGE_BYTES:] if tables else segment
