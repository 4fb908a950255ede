"""EXIF: camera, software, times, whether a place and a thumbnail are there (CIPA DC-008). Positions are not repeated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import jpeg
from .fact import Fact, printable

TAGS = {
    0x010F: "maker", 0x0110: "camera", 0x0131: "software", 0x0132: "changed", 0x9003: "taken", 0x9004: "digitised",
    0x0112: "orientation", 0xA002: "width", 0xA003: "height", 0x9286: "user comment", 0xA434: "lens", 0xA420: "image id",
}  # fmt: skip
DETAILS, PLACE, THUMBNAIL = 0x8769, 0x8825, 0x0201
HEADER = b"Exif\0\0"


def look(content: bytes) -> Iterator[Fact]:
    block = _block(content)
    if block is None:
        return
    from PIL import Image as Pillow

    try:
        found = Pillow.Exif()
        found.load(block)
        tags: dict[int, Any] = {**found, **found.get_ifd(DETAILS)}
        place, thumbnail = found.get_ifd(PLACE), found.get_ifd(1)
    except Exception:  # of a hostile block anything may come
        yield Fact("EXIF", "unreadable", "damaged, or not what it says")
        return
    for tag, name in TAGS.items():
        if tag in tags:
            value = tags[tag]
            yield Fact(
                f"EXIF: {name}",
                value if isinstance(value, int) else printable(value if isinstance(value, bytes) else str(value)),
            )
    if place:
        yield Fact("EXIF: place", "there", "coordinates are in the file; they are not repeated here")
    if THUMBNAIL in thumbnail:
        yield Fact("EXIF: thumbnail", "there", "it may show an earlier state of the picture")


def _block(content: bytes) -> bytes | None:
    if (found := jpeg.parse(content)) is not None:
        blocks = [payload for marker, payload in found.segments if marker == 0xE1 and payload.startswith(HEADER)]
        return blocks[0] if blocks else None
    place = content.find(b"eXIf", 8) if content.startswith(b"\x89PNG") else -1
    if place >= 8:
        length = int.from_bytes(content[place - 4 : place], "big")
        return HEADER + content[place + 4 : place + 4 + length]
    return None
