"""ISO base media files (HEIF, AVIF, JPEG XL, JPEG 2000): the metadata in their boxes and items (ISO/IEC 14496-12, 23008-12)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

MOST_BOXES, MOST_ITEMS, MOST_EXTENTS = 10_000, 1_000, 100
MOST_INFLATED = 4_000_000  # bytes of an inflated box
MOST_BYTES = 16_000_000  # of one item
EXIF_UUID = b"JpgTiffExif->JP2"
XMP_UUID = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
XMP_TYPE = b"application/rdf+xml"
Kind = Literal["exif", "xmp"]


@dataclass(frozen=True)
class Box:
    """One box: its four-character type and its payload, empty for media data."""

    kind: bytes
    data: bytes


def metadata(content: bytes) -> Iterator[tuple[Kind, bytes]]:
    """The EXIF and XMP of the file, as `("exif", TIFF structure)` and `("xmp", packet)`.

    Never raises: damage ends the search.
    """
    for box in map(_inflated, boxes(content)):
        if box.kind == b"meta":
            yield from _items(box.data[4:], content)
        elif box.kind == b"Exif":  # JPEG XL
            yield "exif", _from_offset(box.data)
        elif box.kind == b"xml ":
            yield "xmp", box.data
        elif box.kind == b"uuid" and box.data.startswith(EXIF_UUID):
            yield "exif", box.data[16:]
        elif box.kind == b"uuid" and box.data.startswith(XMP_UUID):
            yield "xmp", box.data[16:]


def _inflated(box: Box) -> Box:
    """What a `brob` box holds: the kind of another box, and its content by Brotli (JPEG XL, ISO/IEC 18181-2, 9.4)."""
    if box.kind != b"brob":
        return box
    import imagecodecs

    try:
        return Box(box.data[:4], bytes(imagecodecs.brotli_decode(box.data[4:], out=bytearray(MOST_INFLATED))))
    except imagecodecs.BrotliError:  # damaged, or more than that
        return Box(b"", b"")


def boxes(data: bytes) -> Iterator[Box]:
    """The boxes at one level, in order; a damaged size ends them."""
    place = 0
    for _ in range(MOST_BOXES):
        if place + 8 > len(data):
            return
        size, kind, head = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[place + 8 : place + 16], "big"), 16
        elif size == 0:
            size = len(data) - place
        if size < head or place + size > len(data):
            return
        # Pictures are not copied: only what is asked for below is read.
        yield Box(kind, b"" if kind == b"mdat" else data[place + head : place + size])
        place += size


def _items(meta: bytes, content: bytes) -> Iterator[tuple[Kind, bytes]]:
    parts = {box.kind: box.data for box in boxes(meta)}
    kinds = dict(_item_kinds(parts.get(b"iinf", b"")))
    for item, method, extents in _locations(parts.get(b"iloc", b"")):
        if (kind := kinds.get(item)) is not None:
            source = parts.get(b"idat", b"") if method == 1 else content
            data = b"".join(source[start : start + min(size, MOST_BYTES)] for start, size in extents)[:MOST_BYTES]
            yield kind, _from_offset(data) if kind == "exif" else data


def _item_kinds(iinf: bytes) -> Iterator[tuple[int, Kind]]:
    """Numbers of the items that hold metadata."""
    if not iinf:
        return
    for box in boxes(iinf[6 if iinf[0] == 0 else 8 :]):
        wide = 4 if box.data[:1] == b"\3" else 2
        item, kind = int.from_bytes(box.data[4 : 4 + wide], "big"), box.data[6 + wide : 10 + wide]
        if kind == b"Exif":
            yield item, "exif"
        elif kind == b"mime" and XMP_TYPE in box.data[10 + wide :]:
            yield item, "xmp"


def _locations(iloc: bytes) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Number, construction method and extents of each item (14496-12, 8.11.3)."""
    reader = _Reader(iloc)
    version = reader.number(1)
    reader.number(3)
    sizes, more = reader.number(1), reader.number(1)
    offset_size, length_size, base_size, index_size = sizes >> 4, sizes & 15, more >> 4, more & 15
    for _ in range(min(reader.number(4 if version == 2 else 2), MOST_ITEMS)):
        item = reader.number(4 if version == 2 else 2)
        method = reader.number(2) & 15 if version else 0
        reader.number(2)
        base, extents = reader.number(base_size), []
        for _ in range(min(reader.number(2), MOST_EXTENTS)):
            if version and index_size:
                reader.number(index_size)
            start = reader.number(offset_size)
            extents.append((base + start, reader.number(length_size)))
        yield item, method, extents


def _from_offset(data: bytes) -> bytes:
    """An Exif item begins with the distance to its TIFF header."""
    return data[4 + int.from_bytes(data[:4], "big") :]


@dataclass
class _Reader:
    data: bytes
    place: int = 0

    def number(self, size: int) -> int:
        """Zero behind the end."""
        self.place += size
        return int.from_bytes(self.data[self.place - size : self.place], "big")
