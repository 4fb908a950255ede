"""Containers by their first bytes: one table of signatures, suffixes and media types, for reading, the audit and manifests."""

from __future__ import annotations

from dataclasses import dataclass

HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"miaf", b"avif", b"avis")


@dataclass(frozen=True, kw_only=True)
class Container:
    """A kind of file.

    Arguments:
        media_type: as the C2PA library wants it; None where it reads none of that kind.
        suffixes: that files of the kind usually have; none where any will do.
        signatures: that they begin with; none for those that `container_of` tells by more than that.
        has_own_blocks: whether its codec leaves a block grid that is not JPEG's.
    """

    name: str
    media_type: str | None = None
    suffixes: tuple[str, ...] = ()
    signatures: tuple[bytes, ...] = ()
    has_own_blocks: bool = False


CONTAINERS = {
    container.name: container
    for container in (
        Container(
            name="JPEG", media_type="image/jpeg", suffixes=("jpg", "jpeg", "jpe", "jfif"), signatures=(b"\xff\xd8\xff",)
        ),
        Container(name="PNG", media_type="image/png", suffixes=("png",), signatures=(b"\x89PNG\r\n\x1a\n",)),
        Container(name="GIF", suffixes=("gif",), signatures=(b"GIF8",)),
        Container(name="BMP", suffixes=("bmp",), signatures=(b"BM",)),
        Container(name="WebP", media_type="image/webp", suffixes=("webp",), has_own_blocks=True),
        Container(name="WebP, lossless", media_type="image/webp", suffixes=("webp",)),
        Container(
            name="TIFF", media_type="image/tiff", suffixes=("tif", "tiff", "dng", "nef", "cr2", "arw"),
            signatures=(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
        ),
        Container(name="PDF", media_type="application/pdf", suffixes=("pdf",), signatures=(b"%PDF",)),
        # The C2PA library looks at the bytes itself, so AVIF passes as HEIF.
        Container(
            name="HEIF", media_type="image/heic", suffixes=("heic", "heif", "hif", "avif", "avifs"), has_own_blocks=True
        ),
        Container(name="ISO media", media_type="video/mp4"),
        Container(
            name="JPEG XL", suffixes=("jxl",), signatures=(b"\0\0\0\x0cJXL ", b"\xff\x0a"), has_own_blocks=True
        ),
        Container(
            name="JPEG 2000", suffixes=("jp2", "j2k", "jpx", "jpf", "jpc"),
            signatures=(b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"), has_own_blocks=True,
        ),
    )
}  # fmt: skip


def container_of(content: bytes) -> Container | None:
    """What these bytes begin; None where it is in no kind of the table."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return CONTAINERS["WebP, lossless" if content[12:16] == b"VP8L" else "WebP"]
    if content[4:8] == b"ftyp":
        return CONTAINERS["HEIF" if content[8:12] in HEIF_BRANDS else "ISO media"]
    return next((kind for kind in CONTAINERS.values() if content.startswith(kind.signatures)), None)
