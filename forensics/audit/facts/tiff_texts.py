"""Texts in the pages of a TIFF. The first directory of a classic one is what an EXIF block consists of, and `exif` reads it."""

from __future__ import annotations

from collections.abc import Iterator

from .exif import SEARCHED, TAGS, decoded
from .fact import Fact
from .generators import declared, text_fact
from .tiff import CLASSIC, Directory, parse

MOST_TEXTS = 200  # that differ
BYTES, ASCII, UNDEFINED = 1, 2, 7


def look(content: bytes) -> Iterator[Fact]:
    """Facts of the texts in a TIFF's pages, each once."""
    seen: set[tuple[str, str]] = set()
    for directory in parse(content):
        is_first = directory.page == 1
        if is_first and content[:4] in CLASSIC:
            continue
        name = "TIFF" if is_first else f"TIFF page {directory.page}"
        for what, text in _texts(directory):
            if (what, text) in seen or len(seen) == MOST_TEXTS:
                continue
            seen.add((what, text))
            if declared(what, text) is not None or (is_first and what in TAGS.values()):
                yield text_fact(f"{name}: {what}", what, text)


def _texts(directory: Directory) -> Iterator[tuple[str, str]]:
    for tag in directory.tags:
        what = TAGS.get(tag.number) or SEARCHED.get(tag.number)
        if what is not None and tag.kind in (BYTES, ASCII, UNDEFINED):
            is_ascii = tag.kind == ASCII
            yield what, tag.data.rstrip(b"\0").decode("utf-8", "replace") if is_ascii else decoded(tag.number, tag.data)
