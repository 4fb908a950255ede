"""Frames that are held: the picture stands still for a while, amid motion, from one frame to the next.

A transition is still where it changes a tenth of what transitions around it do. Of a film with a share q of still
transitions elsewhere, a run of k still ones among n has

    NFA = N P(Binomial(n, q) >= k)

which is large where stillness is usual: slides, screens, animation. A pause within a scene slows down and speeds up again;
frames that somebody held stop and start at full motion. A still shot between two moving ones begins or ends with a cut, and
is none.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from ...nfa import log10_binomial_tail
from ..event import REPORTED, Event, apart
from ..timeline import MOVING, Timeline

FEWEST = 6  # still transitions
AROUND = 40  # transitions on each side that say what motion is usual
STILL, SLOW = 0.1, 0.5  # of the usual motion
FLAT = 0.03  # grey levels: rounding
EDGE = 2  # transitions by which a cut may lie beside the run
LEAD = 4  # frames in which an encoder settles on a held picture
ABRUPT, LARGE = 0.7, 0.4  # motion beside the run, of the twenty transitions beyond it and of the usual one


class FrozenFrames:
    """The test for held frames."""

    name = "frozen-frames"
    title = "Frozen frames"
    kind = "a-contrario"
    about = "anomaly"
    purpose = "Whether the picture was held for a while, as is done to hide what happened meanwhile."
    reference = "A-contrario runs (Desolneux, Moisan and Morel 2000)"
    needs = "motion before and after"
    cannot = "Cameras and streams that stall hold a picture too."

    def applies(self, timeline: Timeline) -> str | None:
        """Why stillness says nothing here, or None."""
        return timeline.cannot_move

    def find(self, timeline: Timeline) -> list[Event]:
        """The runs of still transitions that begin and end abruptly."""
        steps, level = timeline.steps, usual(timeline.steps)
        still = (steps <= np.maximum(FLAT, STILL * level)) & (level > MOVING)
        found = []
        for first, end, count in _runs(still):
            start = _settled(steps, level, first)
            if count < FEWEST or start < AROUND // 10 or end > len(steps) - 2:
                continue
            if self._is_a_shot(timeline, start, end):
                continue
            others = (still.sum() - count + 1) / (len(steps) - count + 1)
            nfa = float(np.log10(len(steps)) + log10_binomial_tail(max(count, end - first), count, others))
            if nfa <= REPORTED and _is_abrupt(steps, level, start, end):
                because = (
                    f"the picture stands still over {end - start} transitions, and moves before and after at full speed"
                )
                found.append(Event(self.name, start + 1, end, nfa, because))
        return apart(found)

    @staticmethod
    def _is_a_shot(timeline: Timeline, start: int, end: int) -> bool:
        """A still shot between moving ones begins or ends with a cut."""
        edges = (timeline.cuts >= start - EDGE) & (timeline.cuts <= start + LEAD + EDGE)
        return bool((edges | (np.abs(timeline.cuts - end) <= EDGE)).any())


CHECK = FrozenFrames()


def usual(steps: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    """The motion that is usual around each transition: the upper quartile of those within 40."""
    padded = np.pad(steps, AROUND, constant_values=np.nan)
    if not len(steps):
        return steps
    level: np.ndarray = np.nanpercentile(np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1), 75, axis=1)
    return level


def _runs(still: np.ndarray) -> list[tuple[int, int, int]]:
    """Runs of still transitions as first, end and how many; a single other one within a run is a key frame."""
    edges = np.flatnonzero(np.diff(np.r_[0, still.astype(int), 0])).reshape(-1, 2).tolist()
    runs: list[tuple[int, int, int]] = []
    for first, end in edges:
        if runs and first - runs[-1][1] <= 1 and end - first >= 3:
            runs[-1] = (runs[-1][0], end, runs[-1][2] + end - first)
        else:
            runs.append((first, end, end - first))
    return runs


def _settled(steps: np.ndarray, level: np.ndarray, first: int) -> int:
    """Where the picture was held from, which the encoder may have refined for a few frames."""
    start = first
    while start > 0 and first - start < LEAD and steps[start - 1] <= SLOW * level[start - 1]:
        start -= 1
    return start


def _is_abrupt(steps: np.ndarray, level: np.ndarray, start: int, end: int) -> bool:
    before, after = float(np.median(steps[start - 3 : start])), float(steps[end : end + 2].max())
    usual_before = float(np.median(steps[max(0, start - 23) : start]))
    usual_after = float(np.median(steps[end : end + 20]))
    is_large = min(before, after) > LARGE * level[start]
    return is_large and before > ABRUPT * usual_before and after > ABRUPT * usual_after
