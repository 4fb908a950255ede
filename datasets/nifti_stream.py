"""The bytes of a NIfTI file, or of one half of a pair: inflated where gzipped, within what gzip can hold."""

from __future__ import annotations

import gzip
import os
from typing import Any

from oddpixel.errors import TooLarge

GZIP = b"\x1f\x8b"
MAX_INFLATION = 1_100  # deflate itself ends at about 1,030
BLOCK = 2**20


class Stream:
    """The bytes of a NIfTI file, inflated where it is gzipped.

    Arguments:
        file: read from its beginning.
    """

    def __init__(self, file: Any) -> None:
        file.seek(0)
        self.is_gzipped = file.read(2) == GZIP
        self.stored_size = file.seek(0, os.SEEK_END) if not hasattr(file, "size") else file.size
        file.seek(0)
        self.stream: Any = gzip.GzipFile(fileobj=file) if self.is_gzipped else file
        self.head, self.num_read = b"", 0

    def read(self, size: int) -> bytes:
        """Read the first bytes; `read_first` returns them again."""
        self.head = self.stream.read(size)
        return self.head

    def read_first(self, size: int) -> bytes:
        """Read this many bytes from the beginning, or all there are. Raises: TooLarge, before anything is inflated."""
        if self.is_gzipped and size > MAX_INFLATION * self.stored_size:
            raise TooLarge(f"the header declares {size} bytes, more than {self.stored_size} gzipped bytes can hold")
        content = self.head + self.stream.read(max(size - len(self.head), 0))
        self.num_read = min(len(content), size)
        return bytes(content[:size])

    def count_rest(self, most: int) -> int:
        """Count the bytes that follow. gzip checks a member's checksum only after its last byte.

        Raises: TooLarge, above `most` to be inflated; OSError, EOFError, zlib.error.
        """
        if not self.is_gzipped:
            return int(self.stored_size - self.num_read)
        count = 0
        while block := self.stream.read(BLOCK):
            count += len(block)
            if count > most:
                raise TooLarge(f"more than {most} bytes follow the volume that the header declares: an archive bomb")
        return count
