"""Where containers keep their metadata: EXIF as a TIFF structure, XMP packets and IPTC datasets, alike for all of them.

JPEG: APP1, extended XMP over several segments, APP13. PNG: eXIf, iTXt, and the raw profiles that ImageMagick writes as text.
WebP: RIFF chunks. GIF: an application extension. TIFF: the file itself. HEIF, AVIF, JPEG XL, JPEG 2000: boxes and items
(`isobmff`).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from . import gif, isobmff, jpeg, png, tiff

Kind = Literal["exif", "xmp", "iptc"]
EXIF, XMP, EXTENDED, PHOTOSHOP = (
    b"Exif\0\0",
    b"http://ns.adobe.com/xap/1.0/\0",
    b"http://ns.adobe.com/xmp/extension/\0",
    b"Photoshop 3.0\0",
)
IPTC_RESOURCE = 0x0404
MOST_CHUNKS, MOST_BLOCKS = 10_000, 50
TIFF_IPTC, TIFF_PHOTOSHOP, TIFF_XMP = 33723, 34377, 700
ISO_BOXES = (b"ftyp", b"JXL ", b"jP  ")
RAW_PROFILE = re.compile(r"Raw profile type (exif|app1|iptc|8bim|xmp)", re.IGNORECASE)


@lru_cache(maxsize=1)  # several readers ask about one file
def blocks(content: bytes) -> tuple[tuple[Kind, bytes], ...]:
    """Every block of metadata in the file, in order. Never raises."""
    metadata = []
    for kind, data in _blocks(content):
        metadata.append((kind, data.removeprefix(EXIF) if kind == "exif" else data))
        if len(metadata) == MOST_BLOCKS:
            break
    return tuple(metadata)


def of_kind(content: bytes, kind: Kind) -> list[bytes]:
    """All metadata blocks of one kind, in the order of the file."""
    return [data for block_kind, data in blocks(content) if block_kind == kind]


def _blocks(content: bytes) -> Iterator[tuple[Kind, bytes]]:
    if (read := jpeg.parse(content)) is not None:
        yield from _of_jpeg(read.segments)
    elif (chunks := png.parse(content)) is not None:
        yield from _of_png(chunks)
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        yield from _of_webp(content)
    elif content[:4] in (*tiff.CLASSIC, *tiff.BIG):
        if content[:4] in tiff.CLASSIC:
            yield "exif", content
        yield from _of_tiff(content)
    elif content.startswith(b"GIF8"):
        yield from _of_gif(content)
    elif content[4:8] in ISO_BOXES:
        yield from isobmff.metadata(content)


def has_place_for_xmp(content: bytes) -> bool:
    """Whether the container has a place for XMP that is read here; what stands elsewhere is then not the file's own."""
    starts = (b"\xff\xd8", png.SIGNATURE, b"RIFF", *tiff.CLASSIC, *tiff.BIG, b"GIF8")
    return content.startswith(starts) or content[4:8] in ISO_BOXES


def _of_jpeg(segments: list[tuple[int, bytes]]) -> Iterator[tuple[Kind, bytes]]:
    extended: dict[bytes, dict[int, bytes]] = {}
    resources = b""
    for marker, payload in segments:
        if marker == 0xE1 and payload.startswith(EXIF):
            yield "exif", payload
        elif marker == 0xE1 and payload.startswith(XMP):
            yield "xmp", payload[len(XMP) :]
        elif marker == 0xE1 and payload.startswith(EXTENDED):
            rest = payload[len(EXTENDED) :]
            extended.setdefault(rest[:32], {})[int.from_bytes(rest[36:40], "big")] = rest[40:]
        elif marker == 0xED and payload.startswith(PHOTOSHOP):
            resources += payload[len(PHOTOSHOP) :]
    for parts in extended.values():
        yield "xmp", b"".join(parts[offset] for offset in sorted(parts))
    yield from _of_photoshop(resources)


def _of_photoshop(resources: bytes) -> Iterator[tuple[Kind, bytes]]:
    """Image resource blocks: 8BIM, number, Pascal string, length, data; padded to even lengths."""
    place = 0
    while resources[place : place + 4] == b"8BIM" and place + 8 <= len(resources):
        number, name = struct.unpack_from(">HB", resources, place + 4) if place + 7 <= len(resources) else (0, 0)
        start = place + 6 + (name + 2) // 2 * 2
        length = int.from_bytes(resources[start : start + 4], "big")
        if number == IPTC_RESOURCE:
            yield "iptc", resources[start + 4 : start + 4 + length]
        place = start + 4 + length + length % 2


def _of_png(read: png.Png) -> Iterator[tuple[Kind, bytes]]:
    yield from (("exif", data) for data in read.exif)
    for keyword, text in read.texts:
        if keyword == png.XMP_KEYWORD:
            yield "xmp", text.encode()
        elif (profile := RAW_PROFILE.fullmatch(keyword)) is not None:
            yield from _raw_profile(profile[1].lower(), text)


def _raw_profile(name: str, text: str) -> Iterator[tuple[Kind, bytes]]:
    """Name, length and hexadecimal digits in lines."""
    *_, digits = ["", *text.strip().split("\n", 2)]
    try:
        data = bytes.fromhex("".join(digits.split()))
    except ValueError:
        return
    if name in ("iptc", "8bim") and data.startswith(b"8BIM"):
        yield from _of_photoshop(data)
    elif name in ("iptc", "8bim"):
        yield "iptc", data
    elif name == "xmp" or data.startswith(XMP):
        yield "xmp", data.removeprefix(XMP)
    else:
        yield "exif", data


def _of_webp(content: bytes) -> Iterator[tuple[Kind, bytes]]:
    place = 12
    for _ in range(MOST_CHUNKS):
        if place + 8 > len(content):
            return
        name, size = content[place : place + 4], int.from_bytes(content[place + 4 : place + 8], "little")
        data = content[place + 8 : place + 8 + size] if name in (b"EXIF", b"XMP ") else b""
        if data:
            yield ("exif" if name == b"EXIF" else "xmp"), data
        place += 8 + size + size % 2


def _of_gif(content: bytes) -> Iterator[tuple[Kind, bytes]]:
    read = gif.parse(content)
    yield from (("xmp", packet) for packet in (read.xmp if read else ()))


def _of_tiff(content: bytes) -> Iterator[tuple[Kind, bytes]]:
    """Blocks in tags of every directory: bytes, whatever type the writer gave them."""
    for directory in tiff.parse(content):
        for tag in directory.tags:
            if tag.number == TIFF_IPTC:
                yield "iptc", tag.data if tag.data.startswith(b"\x1c") else _swapped(tag.data)
            elif tag.number == TIFF_PHOTOSHOP:
                yield from _of_photoshop(tag.data)
            elif tag.number == TIFF_XMP:
                yield "xmp", tag.data


def _swapped(data: bytes) -> bytes:
    """Some writers declare bytes as LONG and let them be swapped."""
    return b"".join(data[k : k + 4][::-1] for k in range(0, len(data), 4))
