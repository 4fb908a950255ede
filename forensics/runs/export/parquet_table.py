"""Parquet: the run's columns with their types, and the decisions."""

from __future__ import annotations

from pathlib import Path

from ..rows import COLUMNS
from .exported import DECIDED, Export, Exported


def write(exported: Exported, path: Path) -> list[str]:
    """Write one row per item with typed columns; no item is left out."""
    import pandas as pd

    types = COLUMNS | dict.fromkeys(DECIDED, "string")
    pd.DataFrame([row.cells() for row in exported.rows], columns=list(types)).astype(types).to_parquet(
        path, index=False, compression="zstd"
    )
    return []


EXPORT = Export("parquet", ".parquet", "Table with types, for pandas, DuckDB, Spark", write)
