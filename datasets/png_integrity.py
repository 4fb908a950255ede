"""Whether the picture data of a PNG are whole: checksums, and as many bytes as its rows need (PNG 3, 5.3, 7.2, 8.1 and 10.1).

Pillow checks the chunks before the picture data only, and leaves missing rows black.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from oddpixel.counting import counted
from oddpixel.errors import CorruptFile

SIGNATURE_BYTES = 8
HEADER, FRAME_HEADER, DATA, FRAME_DATA, END = b"IHDR", b"fcTL", b"IDAT", b"fdAT", b"IEND"
ANIMATION = b"acTL"
LAST_FILTER = 4
SAMPLES_PER_PIXEL = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
# First column and row, and the steps between columns and between rows, of each pass of Adam7.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
BLOCK = 2**20
GET_ANOTHER = "get an undamaged copy of the file"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Size and depth that the image header declares (PNG 3, 11.2.1)."""

    width: int
    height: int
    bits_per_pixel: int
    is_interlaced: bool

    def passes(self, width: int, height: int) -> list[tuple[int, int]]:
        """Rows, and bytes of each, of every pass of a picture of this size: a byte for the filter, then the samples."""
        steps = PASSES if self.is_interlaced else ((0, 0, 1, 1),)
        sizes = ((_ceil(width - x, dx), _ceil(height - y, dy)) for x, y, dx, dy in steps)
        return [(rows, 1 + _ceil(columns * self.bits_per_pixel, 8)) for columns, rows in sizes if columns and rows]


def check_png(file: BinaryIO) -> list[str]:
    """Check the picture data of every frame; returns notes. Raises: CorruptFile where they are damaged or cut short."""
    read = _read(file)
    if not read.pictures:
        raise CorruptFile(f"the PNG has no picture data; {GET_ANOTHER}")
    has_surplus = [picture.has_surplus() for picture in read.pictures]
    notes = ["the PNG holds more picture data than its rows need"] if any(has_surplus) else []
    if read.num_frames != read.num_declared:
        notes.append(
            f"the PNG declares {counted(read.num_declared, 'frame')} of an animation and holds {read.num_frames}"
        )
    return notes


@dataclass
class _Read:
    """Picture data of every frame, and how many frames there are.

    Arguments:
        num_frames: of an animation, that are there; a picture of another use may precede them.
        num_declared: by the animation control chunk, which counts only before the picture data.
    """

    pictures: list[Inflated] = field(default_factory=list)
    num_frames: int = 0
    num_declared: int = 0


def _read(file: BinaryIO) -> _Read:
    """Inflate the picture data of every frame. Raises: CorruptFile."""
    layout, read = None, _Read()
    for name, content in _chunks(file):
        if name == HEADER:
            layout = _layout(content)
        elif layout is None:
            raise CorruptFile(f"the PNG has no image header; {GET_ANOTHER}")
        elif name == ANIMATION:
            read.num_declared = int.from_bytes(content[:4], "big") if not read.pictures else 0
        elif name == FRAME_HEADER:
            read.num_frames += 1
            read.pictures.append(Inflated(layout.passes(*struct.unpack(">II", content[4:12]))))
        else:
            if not read.pictures:
                read.pictures.append(Inflated(layout.passes(layout.width, layout.height)))
            read.pictures[-1].add(content if name == DATA else content[4:])
    return read


class Inflated:
    """The picture data of one frame, inflated and counted, never kept.

    Arguments:
        passes: rows, and bytes of each, of every pass.
    """

    def __init__(self, passes: list[tuple[int, int]]) -> None:
        self.passes, self.num_bytes = passes, 0
        self.num_expected = sum(rows * size for rows, size in passes)
        self.stream = zlib.decompressobj()

    def add(self, data: bytes) -> None:
        """Inflate and count the next block of compressed data. Raises: CorruptFile."""
        while data and not self.stream.eof and self.num_bytes <= self.num_expected:
            try:
                block = self.stream.decompress(data, BLOCK)
            except zlib.error as error:
                raise CorruptFile(f"the PNG's picture data are damaged ({error}); {GET_ANOTHER}") from error
            self._check_filters(block)
            self.num_bytes += len(block)
            data = self.stream.unconsumed_tail

    def _check_filters(self, block: bytes) -> None:
        """The first byte of each row names one of five filters (PNG 3, 9.2). Raises: CorruptFile."""
        begin = -self.num_bytes  # of the pass, counted from that of the block
        for rows, size in self.passes:
            end = begin + rows * size
            first = begin if begin >= 0 else begin % size
            highest = max(block[first : max(end, 0) : size], default=0)
            if highest > LAST_FILTER:
                raise CorruptFile(f"a row of the PNG has the unknown filter {highest}; {GET_ANOTHER}")
            begin = end

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
    """Yield the chunks that make up pictures, their checksums verified. Raises: CorruptFile."""
    position = SIGNATURE_BYTES
    while True:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8 or head[4:] == END:
            return
        (length,), name = struct.unpack(">I", head[:4]), head[4:]
        position += 12 + length
        if name not in (HEADER, ANIMATION, FRAME_HEADER, DATA, FRAME_DATA):
            continue
        content, checksum = file.read(length), file.read(4)
        if len(checksum) == 4 and struct.pack(">I", zlib.crc32(content, zlib.crc32(name))) != checksum:
            raise CorruptFile(
                f"the checksum of the PNG's chunk {name.decode()} does not match its content; {GET_ANOTHER}"
            )
        yield name, content


def _ceil(amount: int, step: int) -> int:
    return max(-(-amount // step), 0)
