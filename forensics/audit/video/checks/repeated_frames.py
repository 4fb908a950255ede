"""Frames that occur twice: a part of the film was copied to another time.

Frames i and j are alike in a way that motion alone does not bring about where they are nearer to each other than either is to
the other's neighbours by a factor c; a film that comes back to a place comes back smoothly. With a share q of such pairs in
the film, k of them among n in a row at one lag have

    NFA = 3 n P N(Binomial(n, q) >= k)        P pairs of frames, three factors c tried

The stricter c is for copies that were compressed lightly, the laxer one for small motion under strong compression.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from ...nfa import log10_binomial_tail
from ..event import REPORTED, Event, apart
from ..timeline import Timeline

FACTORS = (0.5, 0.7, 0.85)
FEWEST = 5  # pairs
APART = 5  # frames between a frame and its copy, at least
BREACH = 8  # frames that a row of pairs may lack at once
ROWS = 512  # frames compared with all others at once


class RepeatedFrames:
    """The test for a part of the film that occurs twice."""

    name = "repeated-frames"
    title = "Repeated frames"
    kind = "a-contrario"
    about = "manipulation"
    purpose = "Whether a part of the film was copied to another time, as is done to hide or to prolong something."
    reference = "After Wang and Farid, Exposing digital forgeries in video by detecting duplication (ACM MM&Sec 2007)"
    needs = "motion"
    cannot = "Loops, replays, title sequences and machines in regular motion repeat themselves without manipulation."

    def applies(self, timeline: Timeline) -> str | None:
        """Why nothing can repeat here, or None."""
        return None if len(timeline) > APART + FEWEST else "too few frames"

    def find(self, timeline: Timeline) -> list[Event]:
        """The runs of frames that occurred before, by the later ones."""
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
        return apart(found)


CHECK = RepeatedFrames()
Pairs = tuple[Int[np.ndarray, "n"], Int[np.ndarray, "n"]]


def _dips(timeline: Timeline) -> list[Pairs]:
    """For each factor the pairs of frames, earlier and later, that are so much nearer than their neighbours are."""
    count = len(timeline)
    flat = timeline.some(0, count).reshape(count, -1)
    flat -= flat.mean(0)
    squares = np.einsum("ij,ij->i", flat, flat)
    found: list[list[np.ndarray]] = [[] for _ in FACTORS]
    for start in range(0, count, ROWS):
        # A row and a column of neighbours on each side; those beyond the film's ends are as near as can be.
        rows = np.arange(start - 1, min(start + ROWS, count) + 1)
        inside = rows.clip(0, count - 1)
        near = squares[inside, None] + squares[None] - 2 * flat[inside] @ flat.T
        near = np.pad(np.maximum(near, 0), ((0, 0), (1, 1)))
        near[(rows < 0) | (rows >= count)] = 0
        own = near[1:-1, 1:-1]
        around = np.minimum.reduce([near[1:-1, :-2], near[1:-1, 2:], near[:-2, 1:-1], near[2:, 1:-1]])
        is_later = np.arange(count)[None] - np.arange(start, start + len(own))[:, None] >= APART
        for factor, kept in zip(FACTORS, found, strict=True):
            rows_of_pairs, columns = np.nonzero((own < factor**2 * around) & is_later)
            kept.append(np.stack([rows_of_pairs + start, columns], axis=1))
    return [(pairs[:, 0], pairs[:, 1]) for pairs in map(np.concatenate, found)]


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
