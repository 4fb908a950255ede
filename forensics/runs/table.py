"""The rows of a run, through DuckDB: pages, counts, histograms. Never writes.

Parts are loaded into memory once each, those that appear later with the next question. Asking the Parquet files directly
costs less at first and 20 times more with every page: a page by score takes rows out of every part, and its text columns
have to be unpacked whole (`oddpixel bench store`).

Filters are records, and their values parameters: nothing that a user types becomes part of a query. What people decided can
be laid beside the rows (`note_decisions`), so that pages can be filtered and sorted by it too. Several threads may ask at once.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from oddpixel.errors import RunError, UsageError
from oddpixel.naming import no_such

from .rows import COLUMNS, Row, decoded
from .run import Run

Comparison = Literal["=", "!=", "<", "<=", ">", ">=", "contains", "in", "not in", "is null", "is not null"]
COMPARISONS = ("=", "!=", "<", "<=", ">", ">=", "contains", "in", "not in", "is null", "is not null")
DECISION = "decision"  # what people said; a column to filter and sort by, not of the parts
NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
# A decision is about the content that was looked at: of a watched file that was overwritten, it is not about the other row.
FROM = "rows LEFT JOIN decisions ON item = decided_item AND coalesce(decided_sha256 = sha256, true)"
DUCKDB_TYPES = {"string": "VARCHAR", "Float64": "DOUBLE", "Int64": "BIGINT", "boolean": "BOOLEAN"}


@dataclass(frozen=True)
class Filter:
    """One condition, `column comparison value`, as in Filter("p_value", "<", 0.01); "in" and "not in" take a list of texts."""

    column: str
    comparison: Comparison
    value: Any = None

    def __post_init__(self) -> None:
        _check(self.column)
        if self.comparison not in COMPARISONS:
            raise UsageError(f"no comparison {self.comparison!r}; there are {', '.join(COMPARISONS)}")

    def sql(self) -> tuple[str, list[Any]]:
        """The condition with placeholders, and the values that fill them."""
        if self.comparison in ("is null", "is not null"):
            return f'"{self.column}" {self.comparison}', []
        if self.comparison == "contains":
            return f'contains(lower("{self.column}"), lower(?))', [self.value]
        if self.comparison in ("in", "not in"):
            return f'"{self.column}" {self.comparison} (SELECT unnest(?::VARCHAR[]))', [list(self.value)]
        return f'"{self.column}" {self.comparison} ?', [self.value]


class RunTable:
    """The rows of a run with people's decisions, as a table in memory.

    Its questions raise RunError where a part cannot be read.
    """

    def __init__(self, run: Run) -> None:
        import duckdb

        self.run = run
        self.loaded: dict[Path, int] = {}
        self.lock = threading.Lock()
        # Never fetch an extension from the network.
        offline: dict[str, Any] = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
        self.database = duckdb.connect(config=offline)
        columns = ", ".join(f'"{name}" {DUCKDB_TYPES[kind]}' for name, kind in COLUMNS.items())
        self.database.execute(f"CREATE TABLE rows ({columns}, place BIGINT)")
        self.database.execute(
            f"CREATE TABLE decisions (decided_item VARCHAR PRIMARY KEY, decided_sha256 VARCHAR, {DECISION} VARCHAR)"
        )

    def close(self) -> None:
        """Close the in-memory database."""
        self.database.close()

    def __len__(self) -> int:
        return self.count()

    def count(self, filters: Sequence[Filter] = ()) -> int:
        """The number of rows that pass all filters."""
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
    ) -> list[Row]:
        """Rows by a column, nulls last, equal ones in the order of the inputs; by the inputs alone without a column."""
        part = _part(order_by, descending, limit, offset)
        return self._decoded(self._rows(f"SELECT {NAMES}, {DECISION}", filters, part))

    def items(self, filters: Sequence[Filter] = (), **part: Any) -> list[str]:
        """The names alone of the rows that `page` would give."""
        return [str(item) for (item,) in self._rows('SELECT "item"', filters, _part(**part))]

    def rows(self, filters: Sequence[Filter] = ()) -> list[Row]:
        """All matching rows in the order of the inputs."""
        return self._decoded(self._rows(f"SELECT {NAMES}, {DECISION}", filters, _order()))

    def _decoded(self, rows: Sequence[tuple[Any, ...]]) -> list[Row]:
        return [decoded(dict(zip((*COLUMNS, DECISION), row, strict=True))) for row in rows]

    def column(self, name: str, filters: Sequence[Filter] = ()) -> list[Any]:
        """One column of all matching rows, in the order of the inputs; None for nulls."""
        _check(name)
        return [value for (value,) in self._rows(f'SELECT "{name}"', filters, _order())]

    def place_of(
        self,
        which: Filter,
        filters: Sequence[Filter] = (),
        *,
        order_by: str | None = None,
        descending: bool = False,
        after: int = -1,
    ) -> int | None:
        """The position, after `after`, of the first row for which `which` holds; None without one."""
        clause, values = which.sql()
        numbered = f"SELECT *, row_number() OVER ({_order(order_by, descending)}) - 1 AS position FROM {FROM}"
        where, more = _where(filters)
        query = f"SELECT min(position) FROM ({numbered} {where}) WHERE position > {int(after)} AND {clause}"
        ((place,),) = self._execute(query, more + values).fetchall()
        return None if place is None else int(place)

    def digests(self, items: Sequence[str]) -> dict[str, str | None]:
        """The SHA-256 of each of these items that is in the table, as it was judged last."""
        import pandas as pd

        self._load_new_parts()
        with self.lock:
            cursor = self.database.cursor()
            cursor.register("asked", pd.DataFrame({"asked": list(dict.fromkeys(items))}, dtype="string"))
            found = cursor.execute(
                "SELECT item, last(sha256 ORDER BY shard) FROM rows JOIN asked ON item = asked GROUP BY item"
            ).fetchall()
            cursor.unregister("asked")
        return {str(item): digest for item, digest in found}

    def note_decisions(
        self, decisions: Mapping[str, str | None], sha256s: Mapping[str, str | None] | None = None
    ) -> None:
        """Replace the decisions that were noted for these items; None takes one back.

        Arguments:
            sha256s: of the contents that they decided about, by item; of any content where not given.
        """
        import pandas as pd

        if not decisions:
            return
        columns = {"item": list(decisions), "noted": list(decisions.values())}
        columns["seen"] = [(sha256s or {}).get(item) for item in decisions]
        noted = pd.DataFrame(columns, dtype="string")
        with self.lock:
            cursor = self.database.cursor()
            cursor.register("noted", noted)
            cursor.execute("INSERT OR REPLACE INTO decisions SELECT item, seen, noted FROM noted")
            cursor.unregister("noted")

    def histogram(
        self, column: str, num_bins: int = 20, filters: Sequence[Filter] = ()
    ) -> list[tuple[float, float, int]]:
        """The bins `(from, to, count)` over the column's range; the last bin includes its end. Nulls are left out."""
        _check(column)
        wanted = [*filters, Filter(column, "is not null")]
        ((low, high),) = self._rows(f'SELECT min("{column}"), max("{column}")', wanted)
        if low is None:
            return []
        width = (high - low) / num_bins or 1.0
        bucket = f'least(floor(("{column}" - {float(low)!r}) / {float(width)!r}), {int(num_bins) - 1})::INT AS bin'
        counted = dict(self._rows(f"SELECT {bucket}, count(*)", wanted, "GROUP BY bin"))
        return [(low + k * width, low + (k + 1) * width, int(counted.get(k, 0))) for k in range(num_bins)]

    def counts(self, column: str, filters: Sequence[Filter] = ()) -> dict[Any, int]:
        """The number of rows for each value of the column."""
        _check(column)
        return dict(self._rows(f'SELECT "{column}", count(*)', filters, f'GROUP BY "{column}" ORDER BY "{column}"'))

    def _rows(self, select: str, filters: Sequence[Filter], tail: str = "") -> list[tuple[Any, ...]]:
        where, values = _where(filters)
        rows: list[tuple[Any, ...]] = self._execute(f"{select} FROM {FROM} {where} {tail}", values).fetchall()
        return rows

    def _execute(self, query: str, values: list[Any]) -> Any:
        import duckdb

        try:
            self._load_new_parts()
            return self.database.cursor().execute(query, values)
        except (duckdb.Error, UnicodeDecodeError) as error:  # DuckDB repeats damaged bytes in its own messages
            first = (str(error).splitlines() or [type(error).__name__])[0]  # DuckDB adds advice to its own users
            raise RunError(
                f"{self.run.path}: its parts cannot be read: {first}; get an undamaged copy of the run"
            ) from error

    def _load_new_parts(self) -> None:
        with self.lock:
            there = {part: part.stat().st_mtime_ns for part in self.run.parts()}
            if any(there.get(part) != when for part, when in self.loaded.items()):  # decided anew, or replaced
                self.database.execute("DELETE FROM rows")
                self.loaded = {}
            if new := [str(part) for part in there if part not in self.loaded]:
                # By name: parts of earlier versions lack columns.
                there_are = "SELECT * RENAME (file_row_number AS place) FROM read_parquet(?, file_row_number = true)"
                query = f"INSERT INTO rows BY NAME {there_are}"
                self.database.execute(query, [new])
                self.loaded = there


def _part(order_by: str | None = None, descending: bool = False, limit: int = 100, offset: int = 0) -> str:
    return f"{_order(order_by, descending)} LIMIT {int(limit)} OFFSET {int(offset)}"


def _order(order_by: str | None = None, descending: bool = False) -> str:
    if order_by is None:
        return "ORDER BY shard, place"
    _check(order_by)
    return f'ORDER BY "{order_by}" {"DESC" if descending else "ASC"} NULLS LAST, shard, place'


def _check(column: str) -> None:
    if column not in (*COLUMNS, DECISION):
        raise UsageError(no_such("column", column, (*COLUMNS, DECISION)))


def _where(filters: Sequence[Filter]) -> tuple[str, list[Any]]:
    clauses, values = [], []
    for condition in filters:
        clause, parameters = condition.sql()
        clauses.append(clause)
        values += parameters
    return ("WHERE " + " AND ".join(clauses) if clauses else ""), values
