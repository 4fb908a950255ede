"""EXIF: camera, software, times, whether a place and a thumbnail are there (CIPA DC-008). Positions are not repeated.

Every text in it is searched for what generators declare (`generators`); one that declares something is shown too.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

from .blocks import of_kind
from .fact import Fact
from .generators import declared, text_fact

TAGS = {
    0x010F: "maker", 0x0110: "camera", 0x0131: "software", 0x0132: "changed", 0x9003: "taken", 0x9004: "digitised",
    0x0112: "orientation", 0xA002: "width", 0xA003: "height", 0x9286: "user comment", 0xA434: "lens", 0xA420: "image id",
}  # fmt: skip
SEARCHED = {
    0x010E: "description", 0x010D: "document", 0x013B: "artist", 0x013C: "host", 0x8298: "copyright", 0x927C: "maker note",
    0x9C9B: "title", 0x9C9C: "comment", 0x9C9E: "keywords", 0x9C9F: "subject",
}  # fmt: skip
DETAILS, PLACE, THUMBNAIL = 0x8769, 0x8825, 0x0201
MICROSOFT = range(0x9C9B, 0x9CA0)  # UTF-16, little-endian
CODES = 8  # bytes that name the code of a user comment


def look(content: bytes) -> Iterator[Fact]:
    """Facts of every EXIF block in the file."""
    for number, block in enumerate(of_kind(content, "exif")):
        yield from _facts(block, "EXIF" if number == 0 else f"EXIF {number + 1}")


def _facts(block: bytes, name: str) -> Iterator[Fact]:
    from PIL import Image as Pillow

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of single damaged tags, which are left out
            block_tags = Pillow.Exif()
            block_tags.load(block)
            tags: dict[int, Any] = {**block_tags, **block_tags.get_ifd(DETAILS)}
            place, thumbnail = block_tags.get_ifd(PLACE), block_tags.get_ifd(1)
    except Exception:  # of a hostile block anything may come
        yield Fact(name, "unreadable", "damaged, or not what it says")
        return
    for tag, what in (TAGS | SEARCHED).items():
        if tag in tags and (fact := _fact(name, tag, what, tags[tag])) is not None:
            yield fact
    if place:
        yield Fact(f"{name}: place", "there", "coordinates are in the file; they are not repeated here")
    if THUMBNAIL in thumbnail:
        yield Fact(f"{name}: thumbnail", "there", "it may show an earlier state of the picture")


def _fact(name: str, tag: int, what: str, value: Any) -> Fact | None:
    if isinstance(value, int):
        return Fact(f"{name}: {what}", value) if tag in TAGS else None
    text = decoded(tag, value)
    if tag not in TAGS and declared(what, text) is None:
        return None
    return text_fact(f"{name}: {what}", what, text)


def decoded(tag: int, value: Any) -> str:
    """A tag's text, whatever code it is in."""
    if not isinstance(value, bytes):
        return str(value)
    if tag in MICROSOFT:
        return value.decode("utf-16-le", "replace").rstrip("\0")
    code, rest = value[:CODES].rstrip(b"\0 ").upper(), value[CODES:]
    if tag != 0x9286 or code not in (b"", b"ASCII", b"UNICODE", b"JIS"):
        return value.decode("utf-8", "replace").rstrip("\0")
    if code == b"UNICODE":
        return _utf16(rest).rstrip("\0")
    return rest.decode("iso2022_jp" if code == b"JIS" else "utf-8", "replace").rstrip("\0")


def _utf16(data: bytes) -> str:
    """Writers disagree about its byte order, with the file and with each other: Latin letters tell."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    is_big = data[0::2].count(0) > data[1::2].count(0)
    return data.decode("utf-16-be" if is_big else "utf-16-le", "replace")
