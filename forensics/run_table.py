"""The rows of a run, through DuckDB: pages, counts, histograms. Never writes.

Parts are loaded into memory once each, those that appear later with the next question. Asking the Parquet files directly
costs less at first and 20 times more with every page: a page by score takes rows out of every part, and its text columns
have to be unpacked whole (`oddpixel bench store`).

Filters are records, and their values parameters: nothing that a user types becomes part of a query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from oddpixel.errors import RunError, UsageError

from .runs import COLUMNS, Run

Comparison = Literal["=", "!=", "<", "<=", ">", ">=", "contains", "is null", "is not null"]
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=", "contains", "is null", "is not null")
NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
DUCKDB_TYPES = {"string": "VARCHAR", "Float64": "DOUBLE", "Int64": "BIGINT", "boolean": "BOOLEAN"}


@dataclass(frozen=True)
class Filter:
    """`column comparison value`, as in Filter("p_value", "<", 0.01)."""

    column: str
    comparison: Comparison
    value: Any = None

    def __post_init__(self) -> None:
        _check(self.column)
        if self.comparison not in COMPARISONS:
            raise UsageError(f"no comparison {self.comparison!r}; there are {', '.join(COMPARISONS)}")

    def sql(self) -> tuple[str, list[Any]]:
        if self.comparison in ("is null", "is not null"):
            return f'"{self.column}" {self.comparison}', []
        if self.comparison == "contains":
            return f'contains(lower("{self.column}"), lower(?))', [self.value]
        return f'"{self.column}" {self.comparison} ?', [self.value]


class RunTable:
    """What a run holds now. Its questions raise RunError where a part cannot be read."""

    def __init__(self, run: Run) -> None:
        import duckdb

        self.run = run
        self.loaded: set[Path] = set()
        # Never fetch an extension from the network.
        offline: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        self.database = duckdb.connect(config=offline)
        columns = ", ".join(f'"{name}" {DUCKDB_TYPES[kind]}' for name, kind in COLUMNS.items())
        self.database.execute(f"CREATE TABLE rows ({columns}, place BIGINT)")

    def __len__(self) -> int:
        return self.count()

    def count(self, filters: Sequence[Filter] = ()) -> int:
        (number,) = self._rows("SELECT count(*)", filters)[0]
        return int(number)

    def page(
        self,
        filters: Sequence[Filter] = (),
        *,
        order_by: str | None = None,
        descending: bool = False,
        limit: int = 100,
        offset: int = 0,
    ) -> list[dict[str, Any]]:
        """Rows by a column, nulls last, equal ones in the order of the inputs; by the inputs alone without a column."""
        order = "ORDER BY shard, place"
        if order_by is not None:
            _check(order_by)
            order = f'ORDER BY "{order_by}" {"DESC" if descending else "ASC"} NULLS LAST, shard, place'
        order += f" LIMIT {int(limit)} OFFSET {int(offset)}"
        return [dict(zip(COLUMNS, row, strict=True)) for row in self._rows(f"SELECT {NAMES}", filters, order)]

    def histogram(
        self, column: str, num_bins: int = 20, filters: Sequence[Filter] = ()
    ) -> list[tuple[float, float, int]]:
        """(from, to, how many) over the column's range; the last bin includes its end. Nulls are left out."""
        _check(column)
        wanted = [*filters, Filter(column, "is not null")]
        ((low, high),) = self._rows(f'SELECT min("{column}"), max("{column}")', wanted)
        if low is None:
            return []
        width = (high - low) / num_bins or 1.0
        bucket = f'least(floor(("{column}" - {float(low)!r}) / {float(width)!r}), {int(num_bins) - 1})::INT AS bin'
        counted = dict(self._rows(f"SELECT {bucket}, count(*)", wanted, "GROUP BY bin"))
        return [(low + k * width, low + (k + 1) * width, int(counted.get(k, 0))) for k in range(num_bins)]

    def frame(self, filters: Sequence[Filter] = ()) -> Any:
        """All matching rows as a pandas DataFrame."""
        where, values = _where(filters)
        return self._execute(f"SELECT {NAMES} FROM rows {where} ORDER BY shard, place", values).df()

    def _rows(self, select: str, filters: Sequence[Filter], tail: str = "") -> list[tuple[Any, ...]]:
        where, values = _where(filters)
        rows: list[tuple[Any, ...]] = self._execute(f"{select} FROM rows {where} {tail}", values).fetchall()
        return rows

    def _execute(self, query: str, values: list[Any]) -> Any:
        import duckdb

        try:
            self._load_new_parts()
            return self.database.execute(query, values)
        except duckdb.Error as error:
            raise RunError(f"{self.run.path}: its parts cannot be read: {error}") from error

    def _load_new_parts(self) -> None:
        new = [part for part in self.run.parts() if part not in self.loaded]
        if new:
            query = f"INSERT INTO rows SELECT {NAMES}, file_row_number FROM read_parquet(?, file_row_number = true)"
            self.database.execute(query, [[str(part) for part in new]])
            self.loaded.update(new)


def _check(column: str) -> None:
    if column not in COLUMNS:
        raise UsageError(f"no column {column!r}; there are {', '.join(COLUMNS)}")


def _where(filters: Sequence[Filter]) -> tuple[str, list[Any]]:
    clauses, values = [], []
    for each in filters:
        clause, parameters = each.sql()
        clauses.append(clause)
        values += parameters
    return ("WHERE " + " AND ".join(clauses) if clauses else ""), values
