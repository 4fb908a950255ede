"""Images in two files: the header of a NIfTI pair (`NAME.hdr`) joined to its voxels (`NAME.img`), either perhaps gzipped.

Only a regular file that lies beside the header under the same name is taken. Nothing of either is inflated or believed here but
the first bytes of the header: that is for the confined decoder (`joined`).
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import BinaryIO

from oddpixel.errors import MissingFile, TooLarge, UnreadableInput, UnsafePath

from .entry import Entry, open_regular
from .joined import join
from .limits import Limits

HEADERS, VOXELS = (".hdr", ".hdr.gz"), (".img", ".img.gz")
PAIRED = (b"ni1\0", b"ni2\0")
GZIP, GZIP_WINDOW = b"\x1f\x8b", 31
LARGEST_HEADER = 2**16  # bytes of a header file


def files_of(entry: Entry) -> tuple[Path, ...]:
    """Every file that the entry is read from: of a pair, the header first, then the voxels."""
    if entry.member is None and (pair := _pair(entry.path)) is not None:
        return pair
    return (entry.path,)


def lacks_other_half(path: Path) -> bool:
    """Whether this is one half of a NIfTI pair, by header or suffix, without the other half beside it."""
    name = path.name.lower()
    if name.endswith(VOXELS):
        return _beside(path, HEADERS) is None
    return name.endswith(HEADERS) and _is_pair_header(path) and _beside(path, VOXELS) is None


def is_linked_half(path: Path) -> bool:
    """Whether this is one half of a pair, and a link: it is not followed, and the pair is one error row."""
    return path.is_symlink() and _pair(path) is not None


def _pair(path: Path) -> tuple[Path, Path] | None:
    """Header and voxels, of either of them; None for a file by itself."""
    name = path.name.lower()
    if not name.endswith((*HEADERS, *VOXELS)):
        return None
    header = path if name.endswith(HEADERS) else _beside(path, HEADERS)
    voxels = path if name.endswith(VOXELS) else _beside(path, VOXELS)
    return None if header is None or voxels is None or not _is_pair_header(header) else (header, voxels)


def _is_pair_header(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return _is_paired(file)
    except (UnreadableInput, OSError):
        return False


def open_whole(entry: Entry, limits: Limits) -> BinaryIO:
    """Open the entry for reading; either half of a pair opens both, joined. Raises: UnreadableInput."""
    file = entry.open(limits)
    name = (entry.member or entry.path.name).lower()
    if not name.endswith((*HEADERS, *VOXELS)):
        return file
    if name.endswith(VOXELS):
        header = _beside(entry.path, HEADERS) if entry.member is None else None
        if header is None:
            return file  # whatever else an .img may be
        file.close()
        file = _open_half(header)
    if not _is_paired(file):
        return file
    voxels = _beside(entry.path, VOXELS) if entry.member is None else None
    if voxels is None:
        file.close()
        raise MissingFile(f"{name} is the header of a pair, but its voxel file (.img) does not lie beside it")
    with file, _open_half(voxels) as second:
        _check_sizes(file, second, limits)
        return join(file, second)


def _open_half(path: Path) -> BinaryIO:
    """Open one half of a pair. Raises: UnreadableInput, also for a link: it may lead out of what the user named."""
    if path.is_symlink():
        raise UnsafePath(
            f"the other half of the pair, {path.name!r}, is a link and is not followed; put the file itself there"
        )
    return open_regular(path)


def _beside(path: Path, suffixes: tuple[str, ...]) -> Path | None:
    stem = next(path.name[: -len(end)] for end in (*HEADERS, *VOXELS)[::-1] if path.name.lower().endswith(end))
    for suffix in suffixes:
        for candidate in (path.with_name(stem + suffix), path.with_name(stem + suffix.upper())):
            if candidate.is_file():
                return candidate
    return None


def _is_paired(file: BinaryIO) -> bool:
    """Whether it is a header whose voxels lie elsewhere."""
    head = file.read(512)
    file.seek(0)
    if head.startswith(GZIP):
        try:
            head = zlib.decompressobj(GZIP_WINDOW).decompress(head, 512)
        except zlib.error:
            return False
    return head[344:348] in PAIRED or head[4:8] in PAIRED


def _check_sizes(header: BinaryIO, voxels: BinaryIO, limits: Limits) -> None:
    """Check the sizes of both files. Raises: TooLarge."""
    sizes = [os.fstat(file.fileno()).st_size for file in (header, voxels)]
    if sizes[0] > LARGEST_HEADER:
        raise TooLarge(f"the header of the pair has {sizes[0]} bytes, over the cap of {LARGEST_HEADER}")
    limits.check_bytes(sum(sizes))
