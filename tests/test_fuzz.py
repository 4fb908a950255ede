"""A few hundred cases of `tests/fuzz.py`; `make fuzz` runs tens of thousands."""

from __future__ import annotations

import pytest

from tests import fuzz

COUNTS = {"files": 250, "facts": 250, "folders": 80}


@pytest.mark.parametrize("kind", sorted(COUNTS))
@pytest.mark.filterwarnings("default")
@pytest.mark.stress
def test_every_mutated_input_ends_in_an_answer(kind: str) -> None:
    outcomes = fuzz.Outcomes()
    fuzz.KINDS[kind](range(COUNTS[kind]), outcomes)
    assert outcomes.failures == []
    assert sum(outcomes.counts.values()) == COUNTS[kind]
    assert len(outcomes.counts) > 1  # answers and errors both: the mutations are neither harmless nor hopeless


def test_an_untyped_error_is_a_failure() -> None:
    outcomes = fuzz.Outcomes()
    outcomes.note(7, "a.png", lambda: str(1 / 0))
    assert len(outcomes.failures) == 1
    assert "case 7 (a.png): ZeroDivisionError" in outcomes.failures[0]
