"""Figures in the pages are those of the benchmarks: `python -m tests.figures` writes them anew from benchmarks/*.json.

A figure stands before its comment `<!-- bench:NAME:TABLE:ROW:COLUMN -->`, with as many digits as it is shown with.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIGURE = re.compile(r"(-?[\d.]+)(<!-- bench:([a-z_]+):([^>]+?):(\d+):([^:>]+?) -->)")
MARK = "<!-- bench:"


def pages() -> list[Path]:
    """Every page that may hold figures."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def with_figures(text: str) -> str:
    """The text with every figure as it was measured last. Raises: AssertionError where a mark has no figure before it."""
    assert len(FIGURE.findall(text)) == text.count(MARK), "a mark without its figure"
    return FIGURE.sub(_measured, text)


def _measured(found: re.Match[str]) -> str:
    shown, mark, name, table, row, column = found.groups()
    content = json.loads((ROOT / f"benchmarks/{name}.json").read_text())
    value = content["tables"][table][int(row)][column]
    return f"{value:.{len(shown.partition('.')[2])}f}{mark}"


if __name__ == "__main__":
    for page in pages():
        text = page.read_text()
        if (written := with_figures(text)) != text:
            page.write_text(written)
            print(page.relative_to(ROOT))
