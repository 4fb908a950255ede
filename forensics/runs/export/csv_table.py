"""CSV that a spreadsheet opens without running anything: text that would begin a formula gets an apostrophe in front.

OWASP, CSV Injection: cells that begin with = + - @, a tab or a carriage return.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from .exported import Export, Exported

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def write(exported: Exported, path: Path) -> list[str]:
    """Write one line per item; the names and reasons of items that are left out."""
    left_out: list[str] = []
    rows = list(exported.each(lambda row: {name: safe(value) for name, value in row.cells().items()}, left_out))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["item"], quoting=csv.QUOTE_MINIMAL)
        writer.writeheader()
        writer.writerows(rows)
    return left_out


def safe(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


EXPORT = Export("csv", ".csv", "Table for spreadsheets; text that would be a formula is made harmless", write)
