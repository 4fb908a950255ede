"""One check a file, found by walking this folder: a module with a `CHECK`.

A check measures an exhibit; what that means is said elsewhere (`judge`). There are two kinds: `a-contrario` checks bound their
false alarms themselves (NFA); `calibrated` ones give a statistic whose p-value comes from authentic images of the same kind
(`calibration`).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Literal, Protocol, runtime_checkable

from oddpixel.discover import discover

from ..exhibit import Exhibit
from ..measurement import Answer, Question


@runtime_checkable
class Check(Protocol):
    """One forensic test: what it asks of an image, and how it measures the answer.

    Arguments:
        name: as `--checks` takes it.
        questions: what it asks, and of which part of a large image.
        purpose, needs, cannot: for `--list-checks` and the report.
        reference: the paper it is written from.
    """

    name: str
    title: str
    kind: Literal["a-contrario", "calibrated"]
    questions: tuple[Question, ...]
    purpose: str
    reference: str
    needs: str
    cannot: str

    def applies(self, exhibit: Exhibit) -> str | None:
        """Why it cannot measure this exhibit, or None where it can."""
        ...

    def measure(self, exhibit: Exhibit) -> Iterator[Answer]:
        """One answer for each question, of an exhibit that it applies to."""
        ...


@cache
def checks() -> dict[str, Check]:
    """All checks by name, a-contrario ones first."""
    by_name: dict[str, Check] = discover(__name__, "CHECK")
    order = sorted(by_name, key=lambda name: (by_name[name].kind != "a-contrario", name))
    return {name: by_name[name] for name in order}


@cache
def check_of(question: str) -> str:
    """The name of the check that asks a question; the question itself where none does."""
    asking = {declared.name: check.name for check in checks().values() for declared in check.questions}
    return asking.get(question, question)
