"""One place of the time line that a test points to."""

from __future__ import annotations

from dataclasses import dataclass

REPORTED = -2.0  # log10 of the NFA: one film in a hundred without cause


@dataclass(frozen=True)
class Event:
    """Frames that something happened to.

    Arguments:
        check: the test that found them.
        first, last: frames, both included; of missing frames the one before and the one after the gap.
        log10_nfa: the logarithm of the number of such events expected in a whole film like this one without cause.
        because: what was seen, in words.
        like: the frames that these repeat, where they do.
    """

    check: str
    first: int
    last: int
    log10_nfa: float
    because: str
    like: tuple[int, int] | None = None

    def touches(self, first: int, last: int, margin: int = 0) -> bool:
        """Whether the event lies within these frames, wholly or in part, or within `margin` frames of them."""
        return self.first - margin <= last and first <= self.last + margin


def apart(events: list[Event]) -> list[Event]:
    """The strongest of overlapping events, in order of time."""
    kept: list[Event] = []
    for event in sorted(events, key=lambda each: each.log10_nfa):
        if not any(event.touches(other.first, other.last) for other in kept):
            kept.append(event)
    return sorted(kept, key=lambda each: each.first)
