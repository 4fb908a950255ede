"""A table of images: CSV or Parquet with a column `path` and, where known, `group`, `label` and `mask`.

Relative paths count from the table's own folder. Absolute ones and `..` are the author's choice, and are followed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oddpixel.errors import UsageError

from ..entry import Entry
from ..reading import Reader


class Manifest:
    def accepts(self, place: str) -> bool:
        return Path(place).suffix.lower() in (".csv", ".parquet") and Path(place).is_file()

    def entries(self, place: str, reader: Reader) -> list[Entry]:
        import pandas as pd

        try:
            table = pd.read_parquet(place) if place.lower().endswith(".parquet") else pd.read_csv(place, dtype=str)
        except Exception as error:
            raise UsageError(f"{place}: not a readable table: {error}") from error
        if "path" not in table.columns:
            raise UsageError(
                f"{place}: a manifest needs a column `path`; its columns are {', '.join(map(str, table.columns))}"
            )
        root = Path(place).parent
        return [_entry(row, root, place, line) for line, row in enumerate(table.to_dict("records"), start=2)]


LISTER = Manifest


def _entry(row: dict[Any, Any], root: Path, place: str, line: int) -> Entry:
    path = _text(row["path"])
    if path is None:
        raise UsageError(f"{place}: row {line} has no path")
    group, label, mask = (_text(row.get(name)) for name in ("group", "label", "mask"))
    opened = None if mask is None else str(root / mask)
    return Entry(name=Path(path).as_posix(), path=(root / path).resolve(), group=group, label=label, mask=opened)


def _text(value: Any) -> str | None:
    return None if value is None or value != value else str(value)
