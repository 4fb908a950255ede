"""The time line of a video as tests see it: when each frame is shown, how it was encoded, and its small picture.

2.6 kB a frame, so an hour and more at 25 frames a second is compared with itself within 300 MB.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float16, Float32, Float64, Int

from oddpixel.datasets.sandbox import Decoder
from oddpixel.datasets.video_timeline import COLUMNS, FACTS, ROWS

AT_ONCE = 256  # frames a question to the decoder
AROUND = 3  # transitions on each side that a jump is compared with
USUAL_RATE = 25.0  # frames a second, where a film says nothing
FEWEST_FRAMES = 20
MOVING, SHARE_MOVING = 0.1, 0.02  # grey levels a frame; of the transitions
LEAST = 0.05  # grey levels: below, steps are rounding
JUMP = 0.8  # log ratio from which a transition is a break: 2.2 times its largest neighbour
# A break leads elsewhere from this multiple on of what the scenes around it move within REACH frames; of pictures that are
# not alike (correlation) less is enough.
REACH = 60
FURTHER, FURTHER_UNLIKE, ALIKE = 1.2, 0.75, 0.2
LEAST_LEVELS, LAGS, EVERY = 0.3, (5, 10, 20, 30), 3  # grey levels; frames


@dataclass(frozen=True, eq=False)
class Timeline:
    """All frames of a video in the order in which they are shown.

    Arguments:
        facts: by name, one value a frame (`video_timeline.FACTS`).
        pictures: brightness 0..255, 27 x 48 cells.
    """

    facts: dict[str, Float64[np.ndarray, "frames"]]
    pictures: Float16[np.ndarray, "frames rows columns"]

    def __len__(self) -> int:
        return len(self.pictures)

    def some(self, start: int, end: int) -> Float32[np.ndarray, "n rows columns"]:
        """The small pictures of the frames from `start` to before `end`, as float32."""
        return self.pictures[max(start, 0) : end].astype(np.float32)

    @cached_property
    def clock(self) -> Float64[np.ndarray, "frames"]:
        """When each frame is shown, in seconds: by its stamp; evenly where stamps are missing or go back."""
        stamps = self.facts["time_s"]
        gaps = np.diff(stamps)
        if np.isfinite(stamps).all() and (gaps >= 0).all():
            return stamps
        forward = gaps[np.isfinite(gaps) & (gaps > 0)]
        return np.arange(len(self)) * (float(np.median(forward)) if len(forward) else 1 / USUAL_RATE)

    def time(self, frame: int) -> float:
        """When a frame is shown, in seconds (`clock`)."""
        return float(self.clock[frame])

    @property
    def seconds(self) -> float:
        """How long the film is, its last frame as long as a usual one."""
        gaps = np.diff(self.clock)
        return float(self.clock[-1] - self.clock[0] + (np.median(gaps) if len(gaps) else 0.0))

    @property
    def cannot_move(self) -> str | None:
        """Why no test of motion can be asked of this film, or None."""
        if len(self) < FEWEST_FRAMES:
            return f"fewer than {FEWEST_FRAMES} frames"
        return None if (self.steps > MOVING).mean() >= SHARE_MOVING else "nothing moves in this film"

    def is_damaged(self, first: int, last: int) -> bool:
        """Whether any frame from before `first` to after `last` was decoded with errors."""
        return bool(self.facts["is_doubtful"][max(first - 1, 0) : last + 2].any())

    @cached_property
    def cuts(self) -> Int[np.ndarray, "n"]:
        """The breaks that lead to another scene, by the frame before them."""
        cuts: np.ndarray = self.breaks[self.is_cut]
        return cuts

    @cached_property
    def steps(self) -> Float64[np.ndarray, "transitions"]:
        """How much the picture changes from each frame to the next: the root mean square, in grey levels."""
        return np.array([distance(self.pictures[k], self.pictures[k + 1]) for k in range(len(self) - 1)])

    @cached_property
    def jumps(self) -> Float64[np.ndarray, "transitions"]:
        """The log ratio of each step to the largest of the three before and the three after it."""
        padded = np.pad(self.steps, AROUND)
        around = np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1) if len(self.steps) else padded[:0]
        largest = np.delete(around, AROUND, axis=1).max(1) if len(self.steps) else padded[:0]
        return np.log((self.steps + LEAST) / (largest + LEAST))

    @cached_property
    def breaks(self) -> Int[np.ndarray, "n"]:
        """The transitions that jump, by the frame before them."""
        return np.flatnonzero(self.jumps > JUMP)

    @cached_property
    def is_cut(self) -> Bool[np.ndarray, "breaks"]:
        """Whether each break leads to another scene (`_leads_elsewhere`)."""
        return np.array([self._leads_elsewhere(int(frame)) for frame in self.breaks], bool)

    def _leads_elsewhere(self, frame: int) -> bool:
        """Further, in the picture or in its levels alone, than the shots on both sides move within a second or two.

        Levels are what tells two scenes of fine texture apart, whose small pictures are unlike after any motion.
        """
        place = int(np.searchsorted(self.breaks, frame))
        first = int(self.breaks[place - 1]) + 1 if place else 0
        last = int(self.breaks[place + 1]) if place + 1 < len(self.breaks) else len(self) - 1
        before = self.some(max(first, frame - 2 * REACH), frame + 1)
        after = self.some(frame + 1, min(last + 1, frame + 2 + 2 * REACH))
        moved = float(self.steps[frame]) / max(_extent(before), _extent(after), LEAST)
        levels = _levels_apart(before[-1], after[0]) / max(_levels_extent(before), _levels_extent(after), LEAST_LEVELS)
        is_alike = correlation(before[-1], after[0]) > ALIKE
        return moved > FURTHER or levels > (FURTHER if is_alike else FURTHER_UNLIKE)


def read_timeline(decoder: Decoder, on_frames: Callable[[int], None] = lambda number: None) -> Timeline:
    """Read the whole time line of the video that the decoder has opened. Raises: UnreadableInput."""
    facts, pictures, start = [], [], 0
    while len(rows := decoder.timeline(start, AT_ONCE)):
        facts.append(rows[:, : len(FACTS)])
        pictures.append(rows[:, len(FACTS) :].astype(np.float16).reshape(-1, ROWS, COLUMNS))
        start += len(rows)
        on_frames(start)
    columns = np.concatenate(facts).T if facts else np.zeros((len(FACTS), 0))
    whole = np.concatenate(pictures) if pictures else np.zeros((0, ROWS, COLUMNS), np.float16)
    return Timeline(dict(zip(FACTS, columns, strict=True)), whole)


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """The root mean square difference of two small pictures, in grey levels."""
    return float(np.sqrt(np.mean((first.astype(np.float32) - second.astype(np.float32)) ** 2)))


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """The correlation of two small pictures; 0 of a flat one."""
    a, b = first - first.mean(), second - second.mean()
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum() + 1e-9))


def _extent(side: Float32[np.ndarray, "n rows columns"]) -> float:
    lags = range(1, min(REACH, len(side) - 1) + 1)
    return max((float(np.sqrt(((side[lag:] - side[:-lag]) ** 2).mean((1, 2))).max()) for lag in lags), default=0.0)


def _levels_apart(first: np.ndarray, second: np.ndarray) -> float:
    """The mean distance of their levels wherever they are (the first Wasserstein distance of the histograms)."""
    return float(np.abs(np.sort(first, axis=None) - np.sort(second, axis=None)).mean())


def _levels_extent(side: Float32[np.ndarray, "n rows columns"]) -> float:
    ranked = np.sort(side.reshape(len(side), -1), axis=1)
    lags = [lag for lag in LAGS if lag < len(side)]
    return max((float(np.abs(ranked[lag::EVERY] - ranked[:-lag:EVERY]).mean(1).max()) for lag in lags), default=0.0)
