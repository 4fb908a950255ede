"""A shot that is interrupted: frames of another origin stand in it, and after them it goes on as if nothing had been between.

After a cutaway of an edited film time has passed. Where the frame after the interruption follows the frame before it as
closely as one frame follows another, frames were put in. How close frames at that lag come to each other elsewhere in the
shot is the background: their log distances as Student's t, with as many degrees of freedom as there are lags in them.

    NFA = (pairs of breaks) P(t <= (log d - mean) / deviation)
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64
from scipy.special import stdtr

from ..event import REPORTED, Event, apart
from ..timeline import LEAST, Timeline, distance

LONGEST = 250  # frames that were put in
AROUND = 150  # frames on each side that the background is taken from
FEWEST = 10  # pairs of it
CLOSE = 5.0  # steps of the shot that the two frames may be apart
LEAST_DEVIATION = 0.15  # of log distances
FEWEST_FREE = 3  # degrees of freedom


class InterruptedShot:
    """The test for frames that were put into a shot."""

    name = "interrupted-shot"
    title = "Interrupted shot"
    kind = "a-contrario"
    about = "manipulation"
    purpose = "Whether foreign frames were put into a shot."
    reference = "Student's t of the shot's own distances"
    needs = "motion in the shot that goes on"
    cannot = "Flashes, inserted titles and effects of one or more frames interrupt a shot in the open."

    def applies(self, timeline: Timeline) -> str | None:
        """Why nothing can be interrupted here, or None."""
        return timeline.cannot_move or (None if len(timeline.breaks) > 1 else "fewer than two breaks in the film")

    def find(self, timeline: Timeline) -> list[Event]:
        """The runs of frames between two breaks, around which the shot goes on."""
        breaks = timeline.breaks.tolist()
        pairs = [(a, b) for k, a in enumerate(breaks) for b in breaks[k + 1 :] if b - a <= LONGEST]
        found = []
        for before, last in pairs:
            gap = distance(timeline.pictures[before], timeline.pictures[last + 1])
            beside = np.r_[timeline.steps[max(0, before - 6) : before], timeline.steps[last + 1 : last + 7]]
            if not len(beside) or gap > CLOSE * np.median(beside):
                continue
            others = _elsewhere(timeline, before, last)
            if len(others) < FEWEST:
                continue
            nfa = float(np.log10(len(pairs) * _chance(gap, others, last + 1 - before)))
            if nfa <= REPORTED:
                because = f"the shot goes on after them as if nothing had been between (change {gap:.1f} grey levels)"
                found.append(Event(self.name, before + 1, last, nfa, because))
        return apart(found)


CHECK = InterruptedShot()


def _elsewhere(timeline: Timeline, before: int, last: int) -> Float64[np.ndarray, "n"]:
    """Log distances of frames as far apart in time as those on both sides, within the shot before and after."""
    lag = last + 1 - before
    starts = np.r_[
        np.arange(max(0, before - AROUND - lag), before - lag),
        np.arange(last + 1, min(len(timeline) - lag, last + 1 + AROUND)),
    ]
    crossed = np.searchsorted(timeline.breaks, starts + lag) > np.searchsorted(timeline.breaks, starts)
    gaps = [distance(timeline.pictures[k], timeline.pictures[k + lag]) for k in starts[~crossed]]
    return np.log(np.array(gaps) + LEAST)


def _chance(gap: float, others: np.ndarray, lag: int) -> float:
    deviation = max(float(others.std()), LEAST_DEVIATION)
    score = (np.log(gap + LEAST) - float(others.mean())) / deviation
    free = max(FEWEST_FREE, len(others) / lag)
    return float(stdtr(free, score / np.sqrt(1 + lag / len(others))))
