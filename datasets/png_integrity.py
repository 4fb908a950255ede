"""Whether the picture data of a PNG are whole: checksums, and as many bytes as its rows need (PNG 3, 5.3, 7.2, 8.1 and 10.1).

Pillow checks the chunks before the picture data only, and leaves missing rows black.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from oddpixel.errors import CorruptFile

SIGNATURE_BYTES = 8
HEADER, FRAME_HEADER, DATA, FRAME_DATA, END = b"IHDR", b"fcTL", b"IDAT", b"fdAT", b"IEND"
SAMPLES_PER_PIXEL = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
# First column and row, and the steps between columns and between rows, of each pass of Adam7.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
BLOCK = 2**20
GET_ANOTHER = "get an undamaged copy of the file"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What the image header says (PNG 3, 11.2.1)."""

    width: int
    height: int
    bits_per_pixel: int
    is_interlaced: bool

    def data_bytes(self, width: int, height: int) -> int:
        """Of a picture of this size, inflated: a byte for the filter, then the samples, of every row of every pass."""
        passes = PASSES if self.is_interlaced else ((0, 0, 1, 1),)
        sizes = ((_ceil(width - x, dx), _ceil(height - y, dy)) for x, y, dx, dy in passes)
        return sum(rows * (1 + _ceil(columns * self.bits_per_pixel, 8)) for columns, rows in sizes if columns and rows)


def check_png(file: BinaryIO) -> list[str]:
    """Notes on a file whose picture data are whole, those of every frame. Raises: CorruptFile."""
    pictures = _pictures(file)
    if not pictures:
        raise CorruptFile(f"the PNG has no picture data; {GET_ANOTHER}")
    has_surplus = [picture.has_surplus() for picture in pictures]
    return ["the PNG holds more picture data than its rows need"] if any(has_surplus) else []


def _pictures(file: BinaryIO) -> list[Inflated]:
    layout, pictures = None, []
    for name, content in _chunks(file):
        if name == HEADER:
            layout = _layout(content)
        elif layout is None:
            raise CorruptFile(f"the PNG has no image header; {GET_ANOTHER}")
        elif name == FRAME_HEADER:
            pictures.append(Inflated(layout.data_bytes(*struct.unpack(">II", content[4:12]))))
        else:
            if not pictures:
                pictures.append(Inflated(layout.data_bytes(layout.width, layout.height)))
            pictures[-1].add(content if name == DATA else content[4:])
    return pictures


class Inflated:
    """The picture data of one frame, inflated and counted, never kept."""

    def __init__(self, num_expected: int) -> None:
        self.num_expected, self.num_bytes = num_expected, 0
        self.stream = zlib.decompressobj()

    def add(self, data: bytes) -> None:
        """Raises: CorruptFile."""
        while data and not self.stream.eof and self.num_bytes <= self.num_expected:
            try:
                self.num_bytes += len(self.stream.decompress(data, BLOCK))
            except zlib.error as error:
                raise CorruptFile(f"the PNG's picture data are damaged ({error}); {GET_ANOTHER}") from error
            data = self.stream.unconsumed_tail

    def has_surplus(self) -> bool:
        """Whether there is more than the rows need. Raises: CorruptFile, where there is less."""
        num_bytes = self.num_bytes + len(self.stream.flush())
        if num_bytes < self.num_expected:
            share = num_bytes / self.num_expected
            raise CorruptFile(f"the PNG holds {share:.0%} of its picture data, the rest is missing; {GET_ANOTHER}")
        return num_bytes > self.num_expected


def _layout(content: bytes) -> Layout:
    width, height, depth, colour_type, _, _, interlace = struct.unpack(">IIBBBBB", content[:13])
    bits = depth * SAMPLES_PER_PIXEL.get(colour_type, 1)
    return Layout(width=width, height=height, bits_per_pixel=bits, is_interlaced=interlace == 1)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Those that make up pictures, their checksums verified. Raises: CorruptFile."""
    position = SIGNATURE_BYTES
    while True:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8 or head[4:] == END:
            return
        (length,), name = struct.unpack(">I", head[:4]), head[4:]
        position += 12 + length
        if name not in (HEADER, FRAME_HEADER, DATA, FRAME_DATA):
            continue
        content, checksum = file.read(length), file.read(4)
        if len(checksum) == 4 and struct.pack(">I", zlib.crc32(content, zlib.crc32(name))) != checksum:
            raise CorruptFile(
                f"the checksum of the PNG's chunk {name.decode()} does not fit its content; {GET_ANOTHER}"
            )
        yield name, content


def _ceil(amount: int, step: int) -> int:
    return max(-(-amount // step), 0)
