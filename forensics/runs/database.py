"""SQLite for one machine, PostgreSQL by a URL for a team: engines for what is kept outside of a run's tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sql
from sqlalchemy.pool import NullPool

WAIT_SECONDS = 30


def engine_of(url: sql.URL) -> sql.Engine:
    """An engine; a transaction that writes is begun with the execution option `writing`."""
    if url.get_backend_name() == "postgresql":
        return sql.create_engine(url, pool_pre_ping=True)
    # A connection a transaction: SQLite's are cheap, and none is carried into a forked process.
    engine = sql.create_engine(url, poolclass=NullPool, connect_args={"timeout": WAIT_SECONDS})

    @sql.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # or Python's driver begins transactions of its own, too late
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    @sql.event.listens_for(engine, "begin")
    def begin(connection: sql.Connection) -> None:
        # A writer locks first and reads the last entry then; a reader locks nobody out.
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


@contextmanager
def writing(engine: sql.Engine) -> Iterator[sql.Connection]:
    """One transaction that writes."""
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        yield connection
