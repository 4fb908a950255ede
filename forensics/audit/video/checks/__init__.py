"""One test of the time line a file, found by walking this folder: a module with a `CHECK`."""

from __future__ import annotations

from functools import cache
from typing import Protocol, runtime_checkable

from oddpixel.discover import discover

from ...measurement import About
from ..event import Event
from ..timeline import Timeline


@runtime_checkable
class TimelineCheck(Protocol):
    """One forensic test of a time line.

    Arguments:
        name: as `--checks` takes it.
        about: whether what it finds is evidence of manipulation, or an anomaly whose cause may be innocent.
        purpose, needs, cannot: for `--list-checks` and the report.
        reference: the paper it is written from.
    """

    name: str
    title: str
    kind: str
    about: About
    purpose: str
    reference: str
    needs: str
    cannot: str

    def applies(self, timeline: Timeline) -> str | None:
        """Why it cannot be asked of this time line, or None where it can."""
        ...

    def find(self, timeline: Timeline) -> list[Event]:
        """All events of the film, in order of time."""
        ...


@cache
def timeline_checks() -> dict[str, TimelineCheck]:
    """All tests of time lines by name."""
    by_name: dict[str, TimelineCheck] = discover(__name__, "CHECK")
    return by_name
