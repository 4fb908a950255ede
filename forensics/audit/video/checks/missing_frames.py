"""Frames that are missing within a shot: the scene goes on, but further away than one frame takes it.

A transition's jump is the log ratio of its step to the largest of the three before and after it. Jumps of motion that goes on
have an exponential tail beyond their ninetieth percentile q, whose scale is fitted to the film's own (the largest fifth
censored, so that what is sought does not hide itself):

    NFA = N / 10 exp(-(jump - q) / scale)

Breaks that lead to another scene are cuts, which every edited film has, and are not evidence.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from ..event import REPORTED, Event
from ..timeline import Timeline

FEWEST = 40  # transitions from which a tail can be fitted
BEYOND, KEPT = 0.9, 0.8  # quantile that the tail begins at; share of it that is not censored
LEAST_SCALE = 0.15  # of jumps: below it a film is smoother than any was measured to be


class MissingFrames:
    """The test for a gap in a shot."""

    name = "missing-frames"
    title = "Missing frames"
    kind = "a-contrario"
    about = "anomaly"
    purpose = "Whether frames were taken out of a shot."
    reference = "Exponential tail of the film's own jumps"
    needs = f"motion, and {FEWEST} frames"
    cannot = (
        "Cameras and streams lose frames too, and editors cut within a shot; captions that come and go, ends of "
        "fades, pages that are scrolled, flashes and knocks look like gaps."
    )

    def applies(self, timeline: Timeline) -> str | None:
        """Why no tail can be fitted, or None."""
        return timeline.cannot_move if len(timeline.steps) >= FEWEST else f"fewer than {FEWEST} frames"

    def find(self, timeline: Timeline) -> list[Event]:
        """The jumps within shots that are too large for the film."""
        nfa = tail(timeline.jumps)
        found = []
        for frame, is_cut in zip(timeline.breaks.tolist(), timeline.is_cut, strict=True):
            if nfa[frame] <= REPORTED and not is_cut:
                times = float(np.exp(timeline.jumps[frame]))
                because = f"the scene goes on {times:.1f} times further than in any of the six transitions around"
                found.append(Event(self.name, frame, frame + 1, float(nfa[frame]), because))
        return found


CHECK = MissingFrames()


def tail(jumps: Float64[np.ndarray, "n"]) -> Float64[np.ndarray, "n"]:
    """log10 of how many transitions of so long a film are expected to jump as much."""
    start = float(np.quantile(jumps, BEYOND))
    over = np.sort(jumps[jumps > start]) - start
    if not len(over):
        return np.zeros(len(jumps))
    seen = over[: max(1, int(len(over) * KEPT))]
    scale = max(LEAST_SCALE, float(seen.sum() + (len(over) - len(seen)) * seen[-1]) / len(seen))
    nfa: np.ndarray = np.log10(max(1.0, len(jumps) * (1 - BEYOND))) - (jumps - start) / scale / np.log(10)
    return nfa
