"""Waiting for events, not for clocks. A limit here only stops what hangs: no test judges how long anything takes, since the same
suite runs beside other work."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 900.0  # seconds


def until(condition: Callable[[], object], what: str = "the awaited event") -> None:
    """Return once `condition` holds. Raises: AssertionError after `PATIENCE`."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{what} did not come within {PATIENCE:g} s"
        time.sleep(0.05)
