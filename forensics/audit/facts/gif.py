"""GIF: comments, and the packet of an application (GIF89a, 17 to 26; XMP part 3, 1.1.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from .fact import Fact
from .generators import text_fact

EXTENSION, IMAGE = 0x21, 0x2C
COMMENT, APPLICATION = 0xFE, 0xFF
HEADER, DESCRIPTOR, XMP = 13, 10, b"XMP DataXMP"
XMP_TRAILER = b"\x01\xff\xfe\xfd"  # stops readers of sub-blocks; the packet itself is not cut into them
MOST_BLOCKS, MOST_BYTES, MOST_SHOWN, MOST_PACKETS = 1_000_000, 2_000_000, 20, 4


@dataclass
class Gif:
    """The metadata blocks of a GIF."""

    comments: list[bytes] = field(default_factory=list)
    xmp: list[bytes] = field(default_factory=list)


def parse(content: bytes) -> Gif | None:
    """The metadata blocks of a GIF, or None for another container. Never raises: damage ends the search."""
    if not content.startswith(b"GIF8") or len(content) < HEADER:
        return None
    read, place = Gif(), HEADER + _table(content[10])
    for _ in range(MOST_BLOCKS):
        kind, label = content[place : place + 1], content[place + 1 : place + 2]
        if kind == bytes([IMAGE]) and place + DESCRIPTOR <= len(content):
            place += DESCRIPTOR + _table(content[place + 9]) + 1
        elif kind == bytes([EXTENSION]) and label:
            place += 2
            if label[0] == COMMENT:
                read.comments.append(_text(content, place))
            elif label[0] == APPLICATION and content[place + 1 : place + 12] == XMP and len(read.xmp) < MOST_PACKETS:
                end = content.find(XMP_TRAILER, place)
                read.xmp.append(content[place + 12 : end] if end >= 0 else b"")
        else:
            break
        place = _behind(content, place)
    return read


def look(content: bytes) -> Iterator[Fact]:
    """Facts of a GIF's comments: the first few, and every one that declares a generator."""
    if (read := parse(content)) is None:
        return
    facts = [text_fact("GIF comment", "comment", comment.decode("utf-8", "replace")) for comment in read.comments]
    yield from (fact for k, fact in enumerate(facts) if k < MOST_SHOWN or fact.declares)


def _table(flags: int) -> int:
    """Bytes of the colour table that these flags announce."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _behind(content: bytes, place: int) -> int:
    """Behind the sub-blocks: a length and that many bytes, up to a length of zero."""
    while place < len(content) and content[place]:
        place += 1 + content[place]
    return place + 1


def _text(content: bytes, place: int) -> bytes:
    parts: list[bytes] = []
    while place < len(content) and (length := content[place]) and 255 * len(parts) < MOST_BYTES:
        parts.append(content[place + 1 : place + 1 + length])
        place += 1 + length
    return b"".join(parts)
