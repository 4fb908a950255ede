"""Frames that occur twice: a part of the film was copied to another time.

Frames i and j are alike in a way that motion alone does not bring about where they are nearer to each other than either is to
the other's neighbours by a factor c. With a share q of such pairs in the film, k of them among n in a row at one lag have

    NFA = 3 n P N(Binomial(n, q) >= k)        P pairs of frames, three factors c tried

The stricter c is for copies that were compressed lightly, the laxer one for small motion under strong compression. Pairs in a
row are not independent where motion returns: a camera on its tour, a pendulum, a page that is scrolled back. Two things tell
copies from returns. A copy is joined to what is around it, and where it is, the film jumps; motion that returns does so
without a break. And what returns does so again and again, at many lags: a film that repeats itself as a habit is no
evidence against itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float32, Int

from ...nfa import log10_binomial_tail
from ..event import REPORTED, Event, apart
from ..timeline import Timeline

FACTORS = (0.5, 0.7, 0.85)
FEWEST = 5  # pairs
APART = 5  # frames between a frame and its copy, at least
BREACH = 8  # frames that a row of pairs may lack at once
ROWS, COLUMNS = 256, 4096  # frames compared with each other at once
JOINT, NEAR = 0.5, 3  # log ratio of a step to its neighbours; frames from the end of a copy
MOST_JOINTS = 0.03  # of transitions: in a film of more, a joint at the end of a copy is chance
MOST_LAGS = 3  # at which a film may repeat itself before it is a habit


class RepeatedFrames:
    """The test for a part of the film that occurs twice."""

    name = "repeated-frames"
    title = "Repeated frames"
    kind = "a-contrario"
    about = "manipulation"
    purpose = "Whether a part of the film was copied to another time, as is done to hide or to prolong something."
    reference = "After Wang and Farid, Exposing digital forgeries in video by detecting duplication (ACM MM&Sec 2007)"
    needs = "motion"
    cannot = (
        "Replays, loops and title sequences repeat themselves in the open; copies without a joint, and those in a film that "
        "repeats itself as a habit, are not found."
    )

    def applies(self, timeline: Timeline) -> str | None:
        """Why nothing can repeat here, or None."""
        if (because := timeline.cannot_move) is not None:
            return because
        share = float((timeline.jumps > JOINT).mean())
        return None if share <= MOST_JOINTS else "the film jumps all the time: a joint says nothing"

    def find(self, timeline: Timeline) -> list[Event]:
        """The runs of frames that occurred before, by the later ones; nothing of a film that repeats itself as a habit."""
        count = len(timeline)
        pairs = (count - APART) * (count - APART + 1) // 2
        found = []
        for earlier, later in _dips(timeline):
            for first, second, length, alike in _rows_of_pairs(earlier, later):
                share = (len(earlier) - alike + 1) / pairs
                nfa = float(np.log10(len(FACTORS) * pairs * length) + log10_binomial_tail(length, alike, share))
                if nfa <= REPORTED:
                    like = (first, first + length - 1)
                    because = f"these frames are those from {like[0]} to {like[1]} again ({alike} of {length} match)"
                    found.append(Event(self.name, second, second + length - 1, nfa, because, like))
        kept = apart(found)
        lags = {each.first - each.like[0] for each in kept if each.like}
        return [] if len(lags) > MOST_LAGS else [each for each in kept if _is_joined(timeline, each)]


CHECK = RepeatedFrames()
Pairs = tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"]]


def _is_joined(timeline: Timeline, event: Event) -> bool:
    """Whether the film jumps where the copy begins or ends (or what it copies, if that is the copy)."""
    spans = ((event.first, event.last), *((event.like,) if event.like else ()))
    places = [place for first, last in spans for place in (first - 1, last)]
    return any((timeline.jumps[max(place - NEAR, 0) : place + NEAR + 1] > JOINT).any() for place in places)


def _dips(timeline: Timeline) -> list[Pairs]:
    """For each factor the pairs of frames, earlier and later, that are so much nearer than their neighbours are."""
    count = len(timeline)
    middle = timeline.pictures.mean(0, dtype=np.float64).astype(np.float32).ravel()
    found: list[list[np.ndarray]] = [[np.zeros((0, 2), np.int64)] for _ in FACTORS]
    for top in range(0, count, ROWS):
        for left in range(max(top + APART, 0) // COLUMNS * COLUMNS, count, COLUMNS):
            rows, columns = (
                _with_neighbours(timeline, start, size, middle) for start, size in ((top, ROWS), (left, COLUMNS))
            )
            near = _distances(rows, columns)
            own = near[1:-1, 1:-1]
            around = np.minimum.reduce([near[1:-1, :-2], near[1:-1, 2:], near[:-2, 1:-1], near[2:, 1:-1]])
            y, x = np.ogrid[top : top + own.shape[0], left : left + own.shape[1]]
            is_later = x - y >= APART
            for factor, kept in zip(FACTORS, found, strict=True):
                kept.append(np.argwhere((own < factor**2 * around) & is_later) + np.array([top, left]))
    return [(pairs[:, 0], pairs[:, 1]) for pairs in map(np.concatenate, found)]


Pictures = tuple[Float32[np.ndarray, "n d"], Bool[np.ndarray, "n"]]


def _with_neighbours(timeline: Timeline, start: int, size: int, middle: np.ndarray) -> Pictures:
    """Pictures from the one before to the one after some, and which of them are beyond the film's ends."""
    wanted = np.arange(start - 1, min(start + size, len(timeline)) + 1)
    pictures = timeline.pictures[wanted.clip(0, len(timeline) - 1)].astype(np.float32).reshape(len(wanted), -1)
    return pictures - middle, (wanted < 0) | (wanted >= len(timeline))


def _distances(rows: Pictures, columns: Pictures) -> Float32[np.ndarray, "n m"]:
    """Squared distances; what is beyond an end is as near as can be, so that nothing is nearer than it."""
    (a, a_beyond), (b, b_beyond) = rows, columns
    near: np.ndarray = np.einsum("ij,ij->i", a, a)[:, None] + np.einsum("ij,ij->i", b, b)[None] - 2 * a @ b.T
    np.maximum(near, 0, out=near)
    near[a_beyond], near[:, b_beyond] = 0, 0
    return near


def _rows_of_pairs(earlier: np.ndarray, later: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    """Rows of pairs at one lag: first earlier and later frame, length, and how many pairs are in it."""
    lags = later - earlier
    order = np.lexsort((earlier, lags))
    earlier, lags = earlier[order], lags[order]
    ends = np.flatnonzero((np.diff(lags) != 0) | (np.diff(earlier) > BREACH)) + 1
    for row in np.split(np.arange(len(earlier)), ends):
        if len(row) >= FEWEST:
            first, last = int(earlier[row[0]]), int(earlier[row[-1]])
            yield first, first + int(lags[row[0]]), last - first + 1, len(row)
