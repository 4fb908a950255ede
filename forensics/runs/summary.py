"""A run in a few facts: what wrote it, how far it got, how many items of what kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .run import Run
from .table import Filter, RunTable
from .verdicts import UNDECIDED, Verdicts


def summarise(path: Path) -> dict[str, Any]:
    """The options and counts that `oddpixel runs` prints of a run. Raises: RunError."""
    run = Run.open(path)
    record, table = run.record, RunTable(run)
    return {
        "id": record["id"],
        "command": record["kind"],
        "started": record["started"],
        "finished": record["finished"],
        "inputs": record["num_items"],
        "shards_done": len(run.parts()),
        "shards_missing": len(run.missing_shards()) if record["finished"] is None else 0,
        "rows": len(table),
        "errors": table.count([Filter("error", "is not null")]),
        "flagged": table.count([Filter("flagged", "=", True)]),
        "verdicts": _num_decided(run),
        "options": record["options"],
    }


def _num_decided(run: Run) -> int:
    if not run.verdicts_path.exists():
        return 0
    with Verdicts(run.verdicts_path) as verdicts:
        return sum(verdict.decision != UNDECIDED for verdict in verdicts.latest(run.record["id"]).values())
