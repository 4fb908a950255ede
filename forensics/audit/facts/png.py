"""PNG: chunks in order, their checksums, texts, what was appended (ISO/IEC 15948, clause 5)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from .fact import Fact, printable
from .generators import text_fact

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_CHUNKS = 100_000
MOST_NAMES = 100  # of chunks that are listed
MOST_TEXT = 2_000_000  # bytes of an inflated text
XMP_KEYWORD = "XML:com.adobe.xmp"


@dataclass
class Png:
    """The structure of a PNG as far as facts need it.

    Arguments:
        chunks: names in order.
        broken: names of chunks whose checksum does not fit.
        texts: by keyword.
        exif: content of eXIf chunks.
        end: where the file should end, or None where it is cut off.
    """

    chunks: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    exif: list[bytes] = field(default_factory=list)
    end: int | None = None


def parse(content: bytes) -> Png | None:
    """The structure of a PNG, or None for another container. Never raises."""
    if not content.startswith(SIGNATURE):
        return None
    png = Png()
    place = len(SIGNATURE)
    while place + 12 <= len(content) and len(png.chunks) < MOST_CHUNKS:
        length = int.from_bytes(content[place : place + 4], "big")
        if place + 12 + length > len(content):
            break
        kind, data = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        name = printable(kind)
        png.chunks.append(name)
        if zlib.crc32(kind + data) != int.from_bytes(content[place + 8 + length : place + 12 + length], "big"):
            png.broken.append(name)
        if kind in (b"tEXt", b"zTXt", b"iTXt") and (text := _text(kind, data)) is not None:
            png.texts.append(text)
        elif kind == b"eXIf":
            png.exif.append(data)
        place += 12 + length
        if kind == b"IEND":
            png.end = place
            break
    return png


def look(content: bytes) -> Iterator[Fact]:
    """Facts of a PNG: chunks, damaged checksums, texts, bytes after its end."""
    png = parse(content)
    if png is None:
        return
    once = list(dict.fromkeys(png.chunks))
    counted = (f"{name}x{count}" if (count := png.chunks.count(name)) > 1 else name for name in once[:MOST_NAMES])
    yield Fact("PNG chunks", printable(" ".join(counted)))
    if png.broken:
        yield Fact(
            "PNG checksums", png.broken[:MOST_NAMES], "these chunks were changed after they were written, or damaged"
        )
    for keyword, text in png.texts:
        if keyword != XMP_KEYWORD:  # `xmp` reads that
            yield text_fact(f"PNG text {printable(keyword)}", keyword.lower(), text)
    if png.end is None:
        yield Fact("PNG end", "missing", "the file is cut off or damaged")
    elif len(content) > png.end:
        yield Fact("bytes after the end", len(content) - png.end, "not part of the picture")


def _text(kind: bytes, data: bytes) -> tuple[str, str] | None:
    keyword, separator, rest = data.partition(b"\0")
    if not separator:
        return None
    name = keyword.decode("latin-1")
    if kind == b"tEXt":
        return name, rest.decode("latin-1")
    if kind == b"zTXt":
        inflated = _inflated(rest[1:])
        return None if inflated is None else (name, inflated.decode("latin-1"))
    compressed, parts = rest[:1] == b"\1", rest[2:].split(b"\0", 2)
    if len(parts) < 3:
        return None
    text = _inflated(parts[2]) if compressed else parts[2]
    return None if text is None else (name, text.decode("utf-8", "replace"))


def _inflated(data: bytes) -> bytes | None:
    try:
        return zlib.decompressobj().decompress(data, MOST_TEXT)
    except zlib.error:
        return None
