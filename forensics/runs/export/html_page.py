"""The run's page with decisions: self-contained, no script, every text escaped."""

from __future__ import annotations

from pathlib import Path

from oddpixel.errors import RunError, UsageError
from oddpixel.records import read_record

from ..report import rendered
from ..schema import GROUPS
from .exported import Export, Exported


def write(exported: Exported, path: Path) -> list[str]:
    """Write the page of a `flag` run, the oddest items first; no item is left out."""
    run = exported.run
    if run.record["kind"] != "flag":
        raise UsageError(f"this is a run of `oddpixel {run.record['kind']}`: its page is index.html in its folder")
    wanted = {row.row.group for row in exported.rows}
    record = read_record(run.path / "groups.json", GROUPS, RunError)
    groups = [group for group in record["groups"] if group["group"] in wanted]
    order = sorted(exported.rows, key=lambda row: (row.row.raw is None, -(row.row.raw or 0), row.row.item))
    decided = {(row.row.item, row.row.sha256): row.decided for row in order if row.decision is not None}
    rows = [row.row for row in order]
    path.write_text(rendered(run, rows, run.record.get("decision") or {}, groups, decided, exported.chain))
    return []


EXPORT = Export("html", ".html", "The report with verdicts, one file", write)
