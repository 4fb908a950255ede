"""The tables of docs/formats.md, out of what the formats register and what the round trip tests.

python -m tests.datasets.format_table      # writes them
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from oddpixel.datasets.formats import known_suffixes
from tests.datasets.writers import WRITERS, Writer

PAGE = Path(__file__).resolve().parents[2] / "docs/formats.md"
COLUMNS = ("format", "depth", "colour profile", "orientation", "alpha", "nothing there", "sequence", "metadata")
PROFILES = {"icc": "ICC", "linear": "by code points"}
ALPHAS = {"straight": "straight", "premultiplied": "premultiplied"}


def suffix_table() -> str:
    by_format: dict[str, list[str]] = {}
    for suffix, name in known_suffixes().items():
        by_format.setdefault(name, []).append(f"`{suffix}`")
    return _table(
        ("format", "suffixes"), ((name, " ".join(sorted(suffixes))) for name, suffixes in sorted(by_format.items()))
    )


def round_trip_table() -> str:
    return _table(COLUMNS, (_row(writer) for writer in sorted(WRITERS, key=lambda writer: writer.name.lower())))


def page_with_tables(page: str) -> str:
    """The page with its tables as they are today, between their markers."""
    for name, table in (("suffixes", suffix_table()), ("round trip", round_trip_table())):
        before, _, rest = page.partition(f"<!-- table: {name} -->\n")
        _, _, after = rest.partition("<!-- end -->")
        page = f"{before}<!-- table: {name} -->\n{table}<!-- end -->{after}"
    return page


def _row(writer: Writer) -> tuple[str, ...]:
    cases = list(writer.cases())
    orientations = {case.orientation for case in cases}
    keys = [name.removesuffix("_mm") for name in writer.metadata]
    return (
        writer.name + ("" if writer.tolerance == 0 else " (lossy)"),
        _listed(case.depth.name for case in cases),
        _listed(PROFILES[case.profile] for case in cases if case.profile != "none"),
        "all eight" if orientations == set(range(1, 9)) else "-",
        _listed(ALPHAS[case.alpha] for case in cases if case.alpha != "none"),
        _listed(case.nothing for case in cases if case.nothing != "none"),
        writer.sequence_is,
        _listed(keys),
    )


def _listed(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values)) or "-"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text()))
