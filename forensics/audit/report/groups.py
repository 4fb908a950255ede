"""The findings of a report in the order that a reader needs: what decides, what does not, history, what was not asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Finding = Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    """Findings of one standing.

    Arguments:
        title, explanation: as the report prints them.
        is_evidence: whether what these findings see may be shown as an alarm; of the others it never is.
        findings: as report.json has them.
    """

    title: str
    explanation: str
    is_evidence: bool
    findings: Sequence[Finding]


def _standing(finding: Finding) -> str:
    if finding["status"] == "not-applicable":
        return "skipped"
    if finding["about"] == "history":
        return "history"
    return "counts" if finding["counts"] else "shown"


WORDS = {
    "counts": ("Tests that count in the verdict", "Their rate of false alarms was measured on files of this kind."),
    "shown": (
        "Tests that do not count",
        "For an expert to look at. On files of this kind their rate of false alarms, or their ability to find anything, was "
        "not shown.",
    ),
    "history": ("Processing history", "How the file as a whole was processed; no evidence of manipulation."),
    "skipped": ("Tests that do not apply", ""),
}  # fmt: skip


def grouped(findings: Sequence[Finding]) -> list[Group]:
    """The groups that have findings; the first one always, since it says that nothing decides."""
    groups = [
        Group(*words, is_evidence=name == "counts", findings=[each for each in findings if _standing(each) == name])
        for name, words in WORDS.items()
    ]
    return [group for group in groups if group.findings or group.is_evidence]
