"""GIF: blocks of our own parser, picture data through giflib, frames laid on one another here (GIF89a, section 23).

Pillow, measured on a grey first frame followed by frames with palettes of their own, gives indices for colours: up to 16 of 255
levels off in 90 % of the pixels, without a word.

The canvas begins transparent. A frame that is removed leaves its place transparent where it has a transparent colour itself, and
in the background colour of the file where not (the clause, FFmpeg, Pillow; browsers leave it transparent, hence the note).
"""

from __future__ import annotations

from typing import Any, BinaryIO, ClassVar

import numpy as np
from jaxtyping import UInt8

from ..appearance import Samples, appearance
from ..gif_blocks import GifFrame, check_palette, parse_gif
from ..limits import Limits
from . import Frame, Header, noted

TO_BACKGROUND, TO_PREVIOUS = 2, 3  # of the disposal
OPAQUE = 255
UNCOVERED = "no frame has covered the whole canvas yet: the rest is shown as transparent, where other programs show a background"
BACKGROUND_SHOWN = "an earlier frame was removed to the file's background colour, where browsers show none"
RAMP = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)


class Gif:
    """GIF images and animations."""

    suffixes: ClassVar[dict[str, str]] = {".gif": "GIF"}

    def recognise(self, head: bytes) -> str | None:
        """GIF by its signature, GIF87a or GIF89a."""
        return "GIF" if head.startswith((b"GIF87a", b"GIF89a")) else None

    def open(self, file: BinaryIO, limits: Limits) -> OpenedGif:
        """Parse the blocks; picture data stay compressed."""
        return OpenedGif(file, limits)


FORMAT = Gif


class OpenedGif:
    """An open GIF file, with the canvas of the frames composed so far."""

    identity = None

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self.gif = parse_gif(file.read())
        limits.check_size(self.gif.width, self.gif.height, len(self.gif.frames))
        for frame in self.gif.frames:
            limits.check_size(frame.width, frame.height)
        self.is_grey = self.gif.has_grey_background and all(_is_ramp(frame.palette) for frame in self.gif.frames)
        self.header = Header(
            format="GIF",
            width=self.gif.width,
            height=self.gif.height,
            frames=len(self.gif.frames),
            meta={"mode": "L" if self.is_grey else "P", **({"notes": [*self.gif.notes]} if self.gif.notes else {})},
        )
        self._rewind()

    def frame(self, index: int) -> Frame:
        """Compose the canvas up to this frame; grey where all palettes are."""
        if index < self.num_laid:
            self._rewind()
        while self.num_laid <= index:
            self._lay(self.gif.frames[self.num_laid])
        frame = appearance(self._samples())
        notes = [BACKGROUND_SHOWN] if any(map(self._shows_background, self.gif.frames[:index])) else []
        notes += [UNCOVERED] if not self.is_covered.all() else []
        return noted(frame, [*notes, *_outside(self.gif.frames[index], self.gif.width, self.gif.height)])

    def _shows_background(self, frame: GifFrame) -> bool:
        """Whether the background colour is seen once the frame is removed."""
        return self._left_behind(frame)[3] == OPAQUE and frame.disposal == TO_BACKGROUND

    def _left_behind(self, frame: GifFrame) -> tuple[int, int, int, int]:
        """Colour and opacity of the frame's area once it is removed to the background."""
        background = self.gif.background
        return (0, 0, 0, 0) if background is None or frame.transparent is not None else (*background, OPAQUE)

    def _rewind(self) -> None:
        self.canvas = np.zeros((self.gif.height, self.gif.width, 4), np.uint8)
        self.is_covered = self.was_covered = np.zeros(self.canvas.shape[:2], bool)
        self.shown, self.num_laid = self.canvas, 0

    def _lay(self, frame: GifFrame) -> None:
        """The next frame, on what its predecessor leaves behind. Raises: CorruptFile, UnsupportedEncoding."""
        indices = frame.indices()
        check_palette(frame, indices)
        self.shown = self.canvas.copy()
        place = self.shown[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
        indices = indices[: place.shape[0], : place.shape[1]]
        is_drawn = np.full(indices.shape, True) if frame.transparent is None else indices != frame.transparent
        place[is_drawn] = _colours(frame.palette)[indices[is_drawn]]
        self.is_covered = self.was_covered.copy()
        self.is_covered[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width] = True
        if frame.disposal != TO_PREVIOUS:
            self.canvas, self.was_covered = self.shown, self.is_covered
        if frame.disposal == TO_BACKGROUND:
            self.canvas = self.shown.copy()
            place = self.canvas[frame.top : frame.top + frame.height, frame.left : frame.left + frame.width]
            place[...] = self._left_behind(frame)
        self.num_laid += 1

    def _samples(self) -> Samples:
        """Samples of the canvas with the last frame laid; grey where all palettes of the file are."""
        has_alpha = bool((self.shown[..., 3] != OPAQUE).any())
        colours = self.shown[..., :1] if self.is_grey else self.shown[..., :3]
        values = np.concatenate([colours, self.shown[..., 3:]], 2) if has_alpha else colours
        return Samples(values=values, bits=8, alpha="straight" if has_alpha else "none")


def _colours(palette: Any) -> UInt8[np.ndarray, "n 4"]:
    return np.column_stack([palette, np.full(len(palette), OPAQUE, np.uint8)])


def _is_ramp(palette: Any) -> bool:
    return palette is not None and np.array_equal(palette, RAMP[: len(palette)])


def _outside(frame: GifFrame, width: int, height: int) -> list[str]:
    if frame.left + frame.width <= width and frame.top + frame.height <= height:
        return []
    return ["the frame lies partly outside of the GIF's canvas, and is cut off there"]
