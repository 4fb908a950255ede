"""Qt resource files (`.rcc`): a tree of names over blocks of bytes, as `rcc` writes them (versions 1 to 3, uncompressed or zlib).

Layout, big endian: `qres`, version, offsets of tree, data and names. A node is name offset, flags, and either child
count and first child, or locale and data offset; from version 2 on a time stamp follows.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from oddpixel.errors import CorruptFile

COMPRESSED, FOLDER, ZSTD = 1, 2, 4


def expand(path: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield every file in a Qt resource bundle. Raises: CorruptFile."""
    if content[:4] != b"qres":
        raise CorruptFile("not a Qt resource file: it does not begin with 'qres'")
    try:
        version, tree, data, names = struct.unpack_from(">4I", content, 4)
        yield from _walk(content, tree, data, names, 14 if version == 1 else 22, 0, path)
    except (struct.error, zlib.error, UnicodeDecodeError) as error:
        raise CorruptFile(f"a damaged Qt resource file: {error}") from error


def _walk(
    content: bytes, tree: int, data: int, names: int, node_size: int, node: int, folder: str
) -> Iterator[tuple[str, bytes]]:
    name_offset, flags = struct.unpack_from(">IH", content, tree + node * node_size)
    path = f"{folder}/{_name(content, names + name_offset)}" if node else folder
    if flags & FOLDER:
        count, first = struct.unpack_from(">II", content, tree + node * node_size + 6)
        for child in range(first, first + count):
            yield from _walk(content, tree, data, names, node_size, child, path)
        return
    start = data + struct.unpack_from(">I", content, tree + node * node_size + 10)[0]
    (size,) = struct.unpack_from(">I", content, start)
    block = content[start + 4 : start + 4 + size]
    if flags & ZSTD:
        return  # no corpus has one
    yield path, zlib.decompress(block[4:]) if flags & COMPRESSED else block


def _name(content: bytes, offset: int) -> str:
    (length,) = struct.unpack_from(">H", content, offset)
    return content[offset + 6 : offset + 6 + 2 * length].decode("utf-16-be")
