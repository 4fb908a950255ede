"""What people found normal, by group: what false alarms are counted among."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from oddpixel.errors import RunError
from oddpixel.forensics.runs.schema import GROUPS
from oddpixel.forensics.runs.table import DECISION, Filter
from oddpixel.records import read_record

from .library import OpenRun


@dataclass(frozen=True)
class Reviewed:
    """The groups of a run that people decided on.

    Arguments:
        p_values: of the groups all of whose items are decided normal.
        num_decided: groups all of whose items are decided.
        num_groups: all that were scored.
    """

    p_values: tuple[float, ...]
    num_decided: int
    num_groups: int


def reviewed_normals(run: OpenRun) -> Reviewed:
    """The p-values of the groups that were decided normal. Raises: RunError."""
    scored = [Filter("p_value", "is not null")]
    columns = [run.table.column(name, scored) for name in ("group", "p_value", DECISION)]
    members: dict[str, list[tuple[float, str | None]]] = defaultdict(list)
    for group, p_value, decision in zip(*columns, strict=True):
        members[str(group)].append((float(p_value), decision))
    of_groups = _p_values(run) if any(len(each) > 1 for each in members.values()) else {}
    decided = {name: each for name, each in members.items() if all(decision for _, decision in each)}
    normal = [
        of_groups.get(name, each[0][0])
        for name, each in decided.items()
        if all(decision == "normal" for _, decision in each)
    ]
    return Reviewed(tuple(normal), len(decided), len(members))


def _p_values(run: OpenRun) -> dict[str, float]:
    """Of groups, as they were decided on; a row's own p is descriptive where its group has several."""
    path = run.run.path / "groups.json"
    if not path.is_file():
        return {}
    record = read_record(path, GROUPS, RunError)
    return {each["group"]: float(each["p_value"]) for each in record["groups"] if each["p_value"] is not None}
