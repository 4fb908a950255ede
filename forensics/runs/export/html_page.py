"""The run's page with decisions: self-contained, no script, every text escaped."""

from __future__ import annotations

from pathlib import Path

from oddpixel.errors import RunError, UsageError
from oddpixel.records import read_record

from ..schema import GROUPS
from .exported import Export, Exported


def write(exported: Exported, path: Path) -> list[str]:
    from oddpixel.forensics.runs.report import rendered

    run = exported.run
    if run.record["kind"] != "flag":
        raise UsageError(f"this is a run of `oddpixel {run.record['kind']}`: its page is index.html in its folder")
    wanted = {row["group"] for row in exported.rows}
    decided = read_record(run.path / "groups.json", GROUPS, RunError)
    groups = [each for each in decided["groups"] if each["group"] in wanted]
    rows = sorted(exported.rows, key=lambda row: (row["raw"] is None, -(row["raw"] or 0), row["item"]))
    path.write_text(rendered(run, rows, run.record.get("decision") or {}, groups, exported.chain))
    return []


EXPORT = Export("html", ".html", write)
