"""Images in two files: the header of a NIfTI pair (`NAME.hdr`) joined to its voxels (`NAME.img`), either perhaps gzipped.

A decoder is handed one open file, so the two become one in memory: the header, then all bytes of the voxel file. Only a regular
file that lies beside the header under the same name is taken.
"""

from __future__ import annotations

import gzip
import os
import tempfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from oddpixel.errors import CorruptFile, MissingFile, TooLarge, UnreadableInput

from .entry import Entry, open_regular
from .limits import Limits

HEADERS, VOXELS = (".hdr", ".hdr.gz"), (".img", ".img.gz")
SIZES = {b"ni1\0": 348, b"ni2\0": 540}  # bytes of the header
BLOCK = 2**20


def files_of(entry: Entry) -> tuple[Path, ...]:
    """Every file that the entry is read from: of a pair the header first, then the voxels."""
    if entry.member is None and (pair := _pair(entry.path)) is not None:
        return pair
    return (entry.path,)


def lacks_other_half(path: Path) -> bool:
    """Whether this is the header of a pair without its voxels; or a file called as voxels are, without its header."""
    name = path.name.lower()
    if name.endswith(VOXELS):
        return _beside(path, HEADERS) is None
    return name.endswith(HEADERS) and _is_pair_header(path) and _beside(path, VOXELS) is None


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
            return _header_size(file) is not None
    except (UnreadableInput, OSError, EOFError, zlib.error):
        return False


def open_whole(entry: Entry, limits: Limits) -> BinaryIO:
    """The entry's bytes; of either half of a pair, both. Raises: UnreadableInput."""
    file = entry.open(limits)
    name = (entry.member or entry.path.name).lower()
    if not name.endswith((*HEADERS, *VOXELS)):
        return file
    if name.endswith(VOXELS):
        header = _beside(entry.path, HEADERS) if entry.member is None else None
        if header is None:
            return file  # whatever else an .img may be
        file.close()
        file = open_regular(header)
    size = _header_size(file)
    if size is None:
        return file
    voxels = _beside(entry.path, VOXELS) if entry.member is None else None
    if voxels is None:
        file.close()
        raise MissingFile(f"{name} is the header of a pair, and no file with its voxels (.img) lies beside it")
    with file, open_regular(voxels) as second:
        return _joined(file, size, second, limits)


def _beside(path: Path, suffixes: tuple[str, ...]) -> Path | None:
    stem = next(path.name[: -len(end)] for end in (*HEADERS, *VOXELS)[::-1] if path.name.lower().endswith(end))
    for suffix in suffixes:
        for candidate in (path.with_name(stem + suffix), path.with_name(stem + suffix.upper())):
            if candidate.is_file():
                return candidate
    return None


def _header_size(file: BinaryIO) -> int | None:
    """Bytes of a header whose voxels lie elsewhere; None where it is none."""
    head = _inflated(file).read(348)
    file.seek(0)
    return SIZES.get(head[344:348]) or SIZES.get(head[4:8])


def _joined(header: BinaryIO, size: int, voxels: BinaryIO, limits: Limits) -> BinaryIO:
    memory: Any = (
        os.fdopen(os.memfd_create("pair", os.MFD_CLOEXEC), "w+b")
        if hasattr(os, "memfd_create")
        else tempfile.TemporaryFile()  # noqa: SIM115 -- the caller closes it
    )
    try:
        memory.write(_inflated(header).read(size))
        source = _inflated(voxels)
        while block := source.read(BLOCK):
            memory.write(block)
            if memory.tell() > limits.max_file_bytes:
                raise TooLarge(f"the pair holds more than {limits.max_file_bytes / 2**30:.1f} GiB")
    except (OSError, EOFError, zlib.error) as error:
        memory.close()
        raise CorruptFile(f"the pair cannot be read: {error}") from error
    memory.seek(0)
    whole: BinaryIO = memory
    return whole


def _inflated(file: BinaryIO) -> Any:
    start = file.read(2)
    file.seek(0)
    return gzip.GzipFile(fileobj=file) if start == b"\x1f\x8b" else file
