"""Tags of TIFF and BigTIFF: of every page, and of the directories nested in it (TIFF 6.0, section 2)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

CLASSIC, BIG = (b"II*\0", b"MM\0*"), (b"II+\0", b"MM\0+")
NESTED = (330, 0x8769)  # SubIFDs, EXIF
SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}  # bytes by type; else 1
LONG8 = (16, 18)
MOST_DIRECTORIES, MOST_TAGS, MOST_NESTED = 10_000, 4_096, 32
MOST_BYTES = 2_000_000  # of a text


@dataclass(frozen=True)
class Tag:
    """One entry of a TIFF directory: tag number, field type, raw value."""

    number: int
    kind: int
    data: bytes


@dataclass(frozen=True)
class Directory:
    """One image file directory with its tags.

    Arguments:
        page: counted from 1; those nested in a page have its number.
    """

    page: int
    tags: list[Tag] = field(default_factory=list)


def parse(content: bytes) -> list[Directory]:
    """Every directory, in order; empty for another container. Never raises: damage ends the search."""
    if content[:4] not in (*CLASSIC, *BIG):
        return []
    return list(_Parser(content).directories())


class _Parser:
    def __init__(self, content: bytes) -> None:
        self.content, self.order = content, "<" if content.startswith(b"II") else ">"
        self.is_big = content[:4] in BIG
        self.word, self.count = ("Q", "Q") if self.is_big else ("I", "H")
        self.seen: set[int] = set()

    def directories(self) -> Iterator[Directory]:
        offset, page = self._number(self.word, 8 if self.is_big else 4), 0
        while offset and len(self.seen) < MOST_DIRECTORIES and offset not in self.seen:
            page += 1
            tags, following = self._directory(offset)
            yield Directory(page, tags)
            for nested in self._nested(tags):
                yield Directory(page, self._directory(nested)[0])
            offset = following

    def _directory(self, offset: int) -> tuple[list[Tag], int]:
        """Its tags, and the offset of the next."""
        self.seen.add(offset)
        num_tags, start = self._number(self.count, offset), offset + struct.calcsize(f"={self.count}")
        size = 20 if self.is_big else 12
        tags = [self._tag(start + size * k) for k in range(min(num_tags, MOST_TAGS))]
        return [tag for tag in tags if tag is not None], self._number(self.word, start + size * num_tags)

    def _tag(self, place: int) -> Tag | None:
        number, kind = self._number("H", place), self._number("H", place + 2)
        count, value = self._number(self.word, place + 4), place + 4 + struct.calcsize(f"={self.word}")
        size = count * SIZES.get(kind, 1)
        start = value if size <= struct.calcsize(f"={self.word}") else self._number(self.word, value)
        data = self.content[start : start + size] if 0 < size <= MOST_BYTES else b""
        return Tag(number, kind, data) if data else None

    def _nested(self, tags: list[Tag]) -> Iterator[int]:
        for tag in tags:
            if tag.number in NESTED:
                form = f"{self.order}{'Q' if tag.kind in LONG8 else 'I'}"
                whole = tag.data[: len(tag.data) // struct.calcsize(form) * struct.calcsize(form)]
                offsets = [offset for (offset,) in struct.iter_unpack(form, whole)]
                yield from (offset for offset in offsets[:MOST_NESTED] if offset and offset not in self.seen)

    def _number(self, form: str, place: int) -> int:
        """Zero behind the end."""
        size = struct.calcsize(f"={form}")
        piece = self.content[place : place + size]
        return int(struct.unpack(f"{self.order}{form}", piece)[0]) if len(piece) == size else 0
