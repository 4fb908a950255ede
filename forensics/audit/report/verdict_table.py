"""One line a file, for those who audit folders: verdicts.csv, verdicts.parquet and verdicts.html beside the reports."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import jinja2
import pyarrow as pa
import pyarrow.parquet as pq

from oddpixel.counting import counted
from oddpixel.forensics.runs.export.csv_table import safe

from ..facts.fact import printable
from ..labels import FLAGGED, Label

COLUMNS = pa.schema(
    {
        "item": pa.string(), "sha256": pa.string(), "verdict": pa.string(), "p_value": pa.float64(),
        "likelihood_ratio": pa.float64(), "because": pa.string(), "counting_tests": pa.string(), "stratum": pa.string(),
        "width": pa.int32(), "height": pa.int32(), "container": pa.string(), "report": pa.string(), "error": pa.string(),
    }
)  # fmt: skip
NOT_READ = "not read"
ORDER = (*FLAGGED, NOT_READ, Label.INCONCLUSIVE, Label.NOTHING_FOUND, Label.PROVENANCE_VERIFIED)


def rows_of(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of audited files, what calls for a look first."""
    return sorted(map(_row, items), key=lambda row: ORDER.index(row["verdict"]))


def tables(items: Sequence[Mapping[str, Any]], case: str | None) -> dict[str, bytes]:
    """The three files by name."""
    rows = rows_of(items)
    return {
        "verdicts.csv": _csv(rows),
        "verdicts.parquet": _parquet(rows),
        "verdicts.html": _page(rows, case).encode(),
    }


def _row(item: Mapping[str, Any]) -> dict[str, Any]:
    row = dict.fromkeys(COLUMNS.names) | {"item": printable(item["item"]), "sha256": item["sha256"]}
    if item["error"] is not None:
        error = item["error"]
        return row | {"verdict": NOT_READ, "error": f"{error['type']}: {error['message']}"}
    verdict, gate, ratio = item["verdict"], item["gate"], item["verdict"].get("likelihood_ratio")
    counting = [finding["check"] for finding in item["findings"] if finding.get("counts")]
    return row | {
        "verdict": verdict["label"], "p_value": verdict["p_value"],
        "likelihood_ratio": ratio and ratio["value"], "because": "; ".join(verdict["because"]),
        "counting_tests": ", ".join(counting), "stratum": gate.get("reference"), "width": gate["width"], "height": gate["height"],
        "container": gate["container"], "report": f"{item['report']}/report.html",
    }  # fmt: skip


def _csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, COLUMNS.names)
    writer.writeheader()
    writer.writerows({name: safe(value) for name, value in row.items()} for row in rows)
    return file.getvalue().encode()


def _parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), COLUMNS), file)
    return file.getvalue()


def _page(rows: Sequence[Mapping[str, Any]], case: str | None) -> str:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(files(__package__ or "").joinpath("verdicts.html").read_text())
    numbers = {label: sum(row["verdict"] == label for row in rows) for label in ORDER}
    return template.render(
        rows=rows, title=counted(len(rows), "file"), case=None if case is None else printable(case),
        flagged=[*FLAGGED, NOT_READ], numbers={label: number for label, number in numbers.items() if number},
    )  # fmt: skip
