"""What a file declares and how it is built: reported, never fused with tests. Anybody can write anything into a file, so
absence proves nothing and presence only what somebody wrote.

    for fact in facts_of(content, "photo.jpg"):
        ...

One kind of container or declaration a file, found by walking this folder: a module with `look(content) -> Iterator[Fact]`.
Everything here reads bytes within bounds, in Python but for what inflates texts (zlib, Brotli): no decoder of pictures runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache

from oddpixel.discover import discover

from .fact import Fact, printable

MAGIC = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",
    b"MM\0+": "TIFF",
    b"%PDF": "PDF",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"\xff\x4f\xff\x51": "JPEG 2000",
}
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"miaf", b"avif", b"avis")
SUFFIXES = {
    "JPEG": ("jpg", "jpeg", "jpe", "jfif"), "PNG": ("png",), "GIF": ("gif",), "BMP": ("bmp",), "WebP": ("webp",),
    "WebP, lossless": ("webp",), "TIFF": ("tif", "tiff", "dng", "nef", "cr2", "arw"), "PDF": ("pdf",),
    "HEIF": ("heic", "heif", "hif", "avif", "avifs"), "JPEG XL": ("jxl",), "JPEG 2000": ("jp2", "j2k", "jpx", "jpf", "jpc"),
}  # fmt: skip


def facts_of(content: bytes, name: str) -> list[Fact]:
    """All facts of a whole file. Damage is a fact too; nothing is raised for it."""
    kind = container(content)
    facts = [
        Fact("SHA-256", hashlib.sha256(content).hexdigest()),
        Fact("bytes", len(content)),
        Fact("container", kind or "unknown", "by its first bytes"),
    ]
    suffix = name.rpartition(".")[2].lower()
    if kind in SUFFIXES and suffix not in SUFFIXES[kind]:
        facts.append(Fact("suffix", printable(suffix), f"the content is {kind}: the name says something else"))
    for look in _readers():
        facts += look(content)
    return facts


def container(content: bytes) -> str | None:
    """The file format by its first bytes; None where unknown."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WebP, lossless" if content[12:16] == b"VP8L" else "WebP"
    if content[4:8] == b"ftyp":
        return "HEIF" if content[8:12] in HEIF_BRANDS else "ISO media"
    return next((kind for magic, kind in MAGIC.items() if content.startswith(magic)), None)


@cache
def _readers() -> tuple[Callable[[bytes], list[Fact]], ...]:
    return tuple(discover(__name__, "look").values())
