"""How far a call is, through one callback: `report(what, done, total)`, from the thread that made the call."""

from __future__ import annotations

import itertools
from collections.abc import Callable

Progress = Callable[[str, int, int], None]


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""


def counting(what: str, total: int, report: Progress) -> Callable[[], None]:
    """A function that reports one more of `total` each time that it is called."""
    done = itertools.count(1)
    return lambda: report(what, next(done), total)
