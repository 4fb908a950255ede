"""The box structure of ISO base media files (ISO/IEC 14496-12, clause 4.2), and of JP2 and JPEG XL, which share it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO


def brands(head: bytes) -> list[bytes] | None:
    """The major brand, then the compatible ones, as far as `head` reaches; None where no `ftyp` box stands first."""
    if head[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return [head[8:12], *(head[k : k + 4] for k in range(16, end - 3, 4))]


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Iterate over the boxes from `start` to `end`: name, and first byte and end of the content of each."""
    while start + 8 <= end:
        file.seek(start)
        size, name = struct.unpack(">I4s", file.read(8))
        first = start + 8
        if size == 1:
            size, first = int.from_bytes(file.read(8), "big"), start + 16
        elif size == 0:
            size = end - start
        if size < first - start:
            return
        yield name, first, min(start + size, end)
        start += size


def content(file: BinaryIO, first: int, end: int) -> bytes:
    """Read the bytes from `first` to `end`."""
    file.seek(first)
    return file.read(end - first)


def descend(file: BinaryIO, end: int, *path: bytes) -> Iterator[bytes]:
    """The contents of all boxes at this path. `meta` has four bytes of version and flags before its boxes."""
    spans = [(0, end)]
    for name in path:
        skip = 4 if name == b"meta" else 0
        inner = [box for span in spans for box in boxes(file, *span) if box[0] == name]
        spans = [(first + skip, last) for _, first, last in inner]
    for span in spans:
        yield content(file, *span)
