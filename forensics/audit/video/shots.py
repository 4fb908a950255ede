"""Shots: where the scene changes from one frame to the next, and what was found in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..labels import Label
from .checks import timeline_checks
from .event import Event
from .timeline import Timeline

STILL = 0.1  # grey levels a frame: below, frames of a shot cannot be told apart


@dataclass(frozen=True)
class Shot:
    """The frames between two cuts, and the verdict about them.

    Arguments:
        first, last: frames, both included.
        start_s, end_s: when they are shown.
    """

    first: int
    last: int
    start_s: float
    end_s: float
    label: Label
    because: str


def shots_of(timeline: Timeline, events: Sequence[Event]) -> list[Shot]:
    """The shots of a film, each with its label: by events that decide, which are bounded over the whole film."""
    cuts = timeline.cuts.tolist()
    firsts, lasts = [0, *(cut + 1 for cut in cuts)], [*cuts, len(timeline) - 1]
    return [_shot(timeline, first, last, events) for first, last in zip(firsts, lasts, strict=True)]


def _shot(timeline: Timeline, first: int, last: int, events: Sequence[Event]) -> Shot:
    inside = [each for each in events if each.touches(first, last)]
    label, because = Label.NOTHING_FOUND, "no test of the time line reached its share of the level"
    if inside:
        is_manipulation = any(timeline_checks()[each.check].about == "manipulation" for each in inside)
        label = Label.MANIPULATION if is_manipulation else Label.ANOMALOUS
        because = "; ".join(f"{each.check}, frames {each.first} to {each.last}" for each in inside)
    elif last == first or float(np.median(timeline.steps[first:last])) < STILL:
        label, because = Label.INCONCLUSIVE, "nothing moves: frames of this shot cannot be told apart"
    return Shot(first, last, timeline.time(first), timeline.time(last), label, because)
