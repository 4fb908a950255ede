"""The blocks of a GIF: its canvas, its palettes, and the picture data of every frame (GIF89a, sections 17 to 26).

    gif = parse_gif(content)
    indices = gif.frames[0].indices()  # of its palette

Only the blocks are parsed here; the picture data are decoded by giflib, each frame as a file of its own, so that no palette and
no earlier frame takes part.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from oddpixel.errors import CorruptFile, UnsupportedEncoding

SIGNATURE_BYTES, SCREEN_BYTES, DESCRIPTOR_BYTES = 6, 7, 9
EXTENSION, IMAGE, TRAILER = 0x21, 0x2C, 0x3B
GRAPHIC_CONTROL = 0xF9
HAS_TABLE, TABLE_SIZE, INTERLACED, HAS_TRANSPARENCY = 0x80, 0x07, 0x40, 0x01
IDENTITY = np.repeat(np.arange(256, dtype=np.uint8), 3).tobytes()
GET_ANOTHER = "get an undamaged copy of the file"


@dataclass(frozen=True, kw_only=True, eq=False)
class GifFrame:
    """One frame as the file stores it.

    Arguments:
        left, top, width, height: where it lies on the canvas.
        palette: its own, or else that of the file; None where there is neither.
        transparent: the index that leaves the canvas as it is.
        disposal: what is done with its place before the next frame (section 23).
        data: the size of the shortest code, then the data's sub-blocks.
    """

    left: int
    top: int
    width: int
    height: int
    palette: UInt8[np.ndarray, "n 3"] | None
    transparent: int | None
    disposal: int
    is_interlaced: bool
    data: bytes

    def indices(self) -> UInt8[np.ndarray, "h w"]:
        """Decode the palette indices of the frame. Raises: CorruptFile."""
        import imagecodecs

        size = struct.pack("<HH", self.width, self.height)
        screen = b"GIF89a" + size + bytes([HAS_TABLE | TABLE_SIZE, 0, 0]) + IDENTITY
        descriptor = bytes([IMAGE, 0, 0, 0, 0]) + size + bytes([INTERLACED if self.is_interlaced else 0])
        try:
            values = imagecodecs.gif_decode(screen + descriptor + self.data + bytes([TRAILER]), asrgb=False)
        except imagecodecs.GifError as error:
            raise CorruptFile(f"the picture data of a frame of the GIF are damaged ({error}); {GET_ANOTHER}") from error
        return np.asarray(values).reshape(self.height, self.width)


@dataclass(frozen=True, kw_only=True)
class GifFile:
    """A parsed GIF: canvas size, frames in order, and what its blocks lack.

    Arguments:
        width, height: of the canvas.
        background: a colour of the file's palette; None without one.
        notes: sentences on what the blocks lack.
    """

    width: int
    height: int
    frames: tuple[GifFrame, ...]
    background: tuple[int, int, int] | None = None
    notes: tuple[str, ...] = ()

    @property
    def has_grey_background(self) -> bool:
        """Whether the background is grey, or there is none."""
        return self.background is None or len(set(self.background)) == 1


def parse_gif(content: bytes) -> GifFile:
    """Parse the blocks of a GIF; picture data stay compressed. Raises: CorruptFile, where no frame begins in it."""
    parser = _Parser(content)
    width, height = parser.screen()
    notes = parser.blocks()
    if not parser.frames:
        raise CorruptFile(f"the GIF holds no picture; {GET_ANOTHER}")
    first = parser.frames[0]
    return GifFile(
        width=max(width, first.left + first.width),  # some writers declare a canvas of 0 x 0
        height=max(height, first.top + first.height),
        frames=tuple(parser.frames),
        background=parser.background,
        notes=tuple(notes),
    )


class _CutShort(Exception):
    """The file ends inside of a block."""


class _Parser:
    def __init__(self, content: bytes) -> None:
        self.content, self.position = content, SIGNATURE_BYTES
        self.palette: np.ndarray | None = None
        self.background: tuple[int, int, int] | None = None
        self.control: tuple[int, int | None] = (0, None)  # disposal and transparent index of the next frame
        self.frames: list[GifFrame] = []

    def screen(self) -> tuple[int, int]:
        """Width and height of the canvas. Raises: CorruptFile."""
        try:
            width, height, flags, background, _ = struct.unpack("<HHBBB", self._take(SCREEN_BYTES))
            self.palette = self._table(flags)
        except _CutShort:
            raise CorruptFile(f"the GIF is cut short in its header; {GET_ANOTHER}") from None
        if self.palette is not None and background < len(self.palette):
            red, green, blue = self.palette[background].tolist()
            self.background = red, green, blue
        return width, height

    def blocks(self) -> list[str]:
        """Collect every frame; returns notes."""
        try:
            while (kind := self._take(1)[0]) != TRAILER:
                if kind == EXTENSION:
                    self._extension()
                elif kind == IMAGE:
                    self._image()
                elif kind:  # stray zeros between blocks are harmless
                    return [f"no block follows frame {len(self.frames)} of the GIF: the rest of the file is not read"]
        except _CutShort:
            return ["the GIF has no end mark: it is cut short, and frames may be missing"]
        num_trailing = len(self.content[self.position :].strip(b"\0"))
        return [f"{num_trailing} bytes after the GIF's end mark are not read"] if num_trailing else []

    def _extension(self) -> None:
        label = self._take(1)[0]
        block = self._sub_blocks()
        if label == GRAPHIC_CONTROL and len(block) >= 5:
            flags, transparent = block[1], block[4]
            self.control = ((flags >> 2) & 7, transparent if flags & HAS_TRANSPARENCY else None)

    def _image(self) -> None:
        left, top, width, height, flags = struct.unpack("<HHHHB", self._take(DESCRIPTOR_BYTES))
        palette = self._table(flags)
        disposal, transparent = self.control
        self.control = (0, None)
        begin = self.position
        try:
            self._take(1)
            self._sub_blocks()
        finally:  # a frame cut short is one that cannot be decoded, not one that is not there
            self.frames.append(
                GifFrame(
                    left=left,
                    top=top,
                    width=width,
                    height=height,
                    palette=self.palette if palette is None else palette,
                    transparent=transparent,
                    disposal=disposal,
                    is_interlaced=bool(flags & INTERLACED),
                    data=self.content[begin : self.position],
                )
            )

    def _table(self, flags: int) -> np.ndarray | None:
        if not flags & HAS_TABLE:
            return None
        return np.frombuffer(self._take(3 << (flags & TABLE_SIZE) + 1), np.uint8).reshape(-1, 3)

    def _sub_blocks(self) -> bytes:
        """The sub-blocks with the length before each, without the empty one at the end."""
        begin = self.position
        while length := self._take(1)[0]:
            self._take(length)
        return self.content[begin : self.position - 1]

    def _take(self, num_bytes: int) -> bytes:
        taken = self.content[self.position : self.position + num_bytes]
        if len(taken) < num_bytes:
            self.position = len(self.content)
            raise _CutShort
        self.position += num_bytes
        return taken


def check_palette(frame: GifFrame, indices: np.ndarray) -> None:
    """Check that the frame has a palette and that it covers every visible index.

    Raises: CorruptFile, UnsupportedEncoding.
    """
    if frame.palette is None:
        raise UnsupportedEncoding("the GIF has no palette, so the colours of its indices are unknown; save it as PNG")
    shown = indices if frame.transparent is None else indices[indices != frame.transparent]
    if shown.size and int(shown.max()) >= len(frame.palette):
        raise CorruptFile(
            f"a pixel has colour index {int(shown.max())}, the palette has {len(frame.palette)} colours; {GET_ANOTHER}"
        )
