"""Two files as one: a decoder gets one open file, and a NIfTI pair is two. Neither half is inflated for it.

MAGIC, length of the header file (8 bytes, little-endian), header file, voxel file
"""

from __future__ import annotations

import os
import shutil
import struct
import tempfile
from typing import Any, BinaryIO

MAGIC = b"\0joined NIfTI pair\0"
LENGTH = struct.Struct("<Q")
BLOCK = 2**20


def join(header: BinaryIO, voxels: BinaryIO) -> BinaryIO:
    """Join header and voxel files of a NIfTI pair into one, in anonymous memory, never in the file system."""
    memory: Any = (
        os.fdopen(os.memfd_create("pair", os.MFD_CLOEXEC), "w+b")
        if hasattr(os, "memfd_create")
        else tempfile.TemporaryFile()  # noqa: SIM115 -- the caller closes it
    )
    try:
        memory.write(MAGIC + LENGTH.pack(os.fstat(header.fileno()).st_size))
        for half in (header, voxels):
            half.seek(0)
            shutil.copyfileobj(half, memory, BLOCK)
        memory.seek(0)
    except BaseException:
        memory.close()
        raise
    whole: BinaryIO = memory
    return whole


def halves(file: BinaryIO) -> tuple[Part, Part] | None:
    """The header file and the voxel file of a joined pair; None where the file is not one."""
    file.seek(0)
    head = file.read(len(MAGIC) + LENGTH.size)
    if not head.startswith(MAGIC) or len(head) < len(MAGIC) + LENGTH.size:
        return None
    (length,) = LENGTH.unpack_from(head, len(MAGIC))
    end = file.seek(0, os.SEEK_END)
    middle = min(len(head) + length, end)
    return Part(file, len(head), middle), Part(file, middle, end)


class Part:
    """A byte range of a file, read as if it were a file."""

    def __init__(self, file: BinaryIO, begin: int, end: int) -> None:
        self.file, self.begin, self.end, self.place = file, begin, end, 0

    @property
    def size(self) -> int:
        """Length of the range in bytes."""
        return self.end - self.begin

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes from the current position; all that are left where negative."""
        left = self.size - self.place
        self.file.seek(self.begin + self.place)
        content = self.file.read(left if size < 0 else min(size, left))
        self.place += len(content)
        return content

    def seek(self, place: int) -> int:
        """Move to a position counted from the beginning of the range."""
        self.place = place
        return place
