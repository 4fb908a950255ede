"""What people decided about items of runs, and a log of every decision that shows if anyone changed it afterwards.

Each entry of the log holds the hash of the one before: h_n = SHA-256(h_{n-1} || entry_n). An edited, removed, inserted
or reordered entry breaks the chain, an edited verdict no longer agrees with its entry. What the chain alone cannot show
is that the newest entries were cut off together with their verdicts, or that all of it was written anew: for that, note
`head` elsewhere (reports do) and compare.

Not only decisions are logged: an action that must leave a trace (identifiers looked at, results sent away) is an entry of
its own. A decision that was taken back is no decision, but stays in the history. Regions that people drew (`regions`) are
logged in the same way.

SQLite in the run's folder for one person, PostgreSQL by a URL for a team; the same code for both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from oddpixel.errors import RunError, UsageError
from oddpixel.records import checked, parsed

from .database import engine_of
from .regions import Drawn, Region, region_table, standing_regions

GENESIS = "0" * 64
LOCK = 0x0DD_0001  # PostgreSQL's advisory lock: one writer of the chain at a time
UNDO = "undo of entry "  # how the note of an entry begins that takes another back
ENTRY = {"required": ["seq", "run", "item"], "properties": {"seq": {"type": "integer"}, "run": {"type": "string"}}}
UNDECIDED = "undecided"  # what taking back the only decision leaves

tables = sql.MetaData()
log = sql.Table(
    "audit_log",
    tables,
    sql.Column("seq", sql.BigInteger().with_variant(sql.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sql.Column("content", sql.Text, nullable=False),
    sql.Column("previous", sql.String(64), nullable=False),
    sql.Column("hash", sql.String(64), nullable=False),
)
verdict_table = sql.Table(
    "verdicts",
    tables,
    sql.Column("seq", sql.BigInteger().with_variant(sql.Integer, "sqlite"), primary_key=True, autoincrement=False),
    sql.Column("run", sql.Text, nullable=False),
    sql.Column("item", sql.Text, nullable=False),
    sql.Column("sha256", sql.Text),
    sql.Column("decision", sql.Text, nullable=False),
    sql.Column("author", sql.Text, nullable=False),
    sql.Column("note", sql.Text, nullable=False),
    sql.Column("at", sql.Text, nullable=False),
    sql.Index("verdicts_by_item", "run", "item", "seq"),
)
regions_table = region_table(tables)
# What browsers have sent, with the entries that came of it: one whose answer was lost sends it again, or takes all of it back.
sent_table = sql.Table(
    "sent_entries",
    tables,
    sql.Column("key", sql.String(64), primary_key=True),
    sql.Column("first", sql.BigInteger(), nullable=False),
    sql.Column("last", sql.BigInteger(), nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One decision about one item. The newest of an item counts; earlier ones stay in the history.

    Arguments:
        run: the run's id, out of its run.json.
        at: UTC, ISO 8601.
    """

    seq: int
    run: str
    item: str
    sha256: str | None
    decision: str
    author: str
    note: str
    at: str


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One decision as a browser sends it, or the taking back of one.

    Arguments:
        key: by which it is known again when it is sent twice.
        items: names, each with the SHA-256 of its file or None.
        decision: None takes back: what was sent under the key `undoes`, all of it; without one the author's newest decision
            about each item.
        region: a version of a region of the one item; then nothing is decided.
    """

    key: str
    items: tuple[tuple[str, str | None], ...]
    decision: str | None
    note: str = ""
    undoes: str | None = None
    region: Drawn | None = None


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The result of checking the log; `broken_at` is the number of the first entry that does not fit."""

    ok: bool
    length: int
    head: str
    broken_at: int | None = None
    because: str = ""


class Verdicts:
    """A store of verdicts, for a `with` block or until `close`.

    Arguments:
        place: a file (SQLite) or a database URL, `postgresql+psycopg://...`.

    Raises: RunError where the store cannot be opened, read or written; UsageError for a URL of another kind.
    """

    def __init__(self, place: Path | str) -> None:
        url = (
            sql.make_url(f"sqlite:///{place}") if isinstance(place, Path) or "://" not in place else sql.make_url(place)
        )
        if url.get_backend_name() not in ("sqlite", "postgresql"):
            raise UsageError(f"verdicts are kept in SQLite or PostgreSQL, not in {url.get_backend_name()}")
        if url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        self.name = url.render_as_string(hide_password=True)
        try:
            self.engine = engine_of(url)
            with self._explained(), self._writing() as connection:
                tables.create_all(connection)
        except ImportError as error:
            raise RunError("PostgreSQL needs psycopg: pip install 'oddpixel[postgresql]'") from error

    def close(self) -> None:
        """Close the connections to the database."""
        self.engine.dispose()

    def __enter__(self) -> Verdicts:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record(
        self, run: str, item: str, decision: str, *, author: str, note: str = "", sha256: str | None = None
    ) -> Verdict:
        """Add a decision, which is on the disk when this returns. Raises: UsageError, RunError."""
        (verdict,) = self.record_all(run, [(item, sha256)], decision, author=author, note=note)
        return verdict

    def record_all(
        self, run: str, items: Sequence[tuple[str, str | None]], decision: str, *, author: str, note: str = ""
    ) -> list[Verdict]:
        """Record one decision about several items, in one transaction.

        Arguments:
            items: names, each with the SHA-256 of its file or None.

        Raises: UsageError, RunError.
        """
        with self._explained(), self._writing() as connection:
            return self._decided(connection, run, items, decision, author, note)

    def undo(self, run: str, items: Sequence[str], *, author: str) -> list[Verdict]:
        """Take back the author's newest decision about each item: what stands without it counts, as a new entry.

        Raises: UsageError where the author has decided nothing about an item; then nothing is taken back.
        """
        with self._explained(), self._writing() as connection:
            return self._taken_back(connection, run, items, author)

    def receive(self, run: str, sent: Sequence[Sent], *, author: str) -> list[str | None]:
        """Do in one transaction what a browser has sent, in order; what was done before under its key is passed over.

        Returns: of each, why it could not be done; None where it is done.

        Raises: RunError; then none of it is done.
        """
        with self._explained(), self._writing() as connection:
            return [self._received(connection, run, each, author) for each in sent]

    def _received(self, connection: sql.Connection, run: str, sent: Sent, author: str) -> str | None:
        known = sql.select(sent_table.c.key).where(sent_table.c.key == sent.key)
        if connection.execute(known).first() is not None:
            return None
        done: Sequence[Verdict | Region]
        try:
            if sent.region is not None:
                done = [self._drawn(connection, run, sent.items[0], sent.region, author)]
            elif sent.decision is not None:
                done = self._decided(connection, run, sent.items, sent.decision, author, sent.note)
            elif sent.undoes is not None:
                done = self._all_taken_back(connection, run, sent.undoes, author)
            else:
                done = self._taken_back(connection, run, [item for item, _ in sent.items], author)
        except UsageError as error:  # raised before anything of it was written
            return str(error)
        connection.execute(sent_table.insert().values(key=sent.key, first=done[0].seq, last=done[-1].seq))
        return None

    def _drawn(
        self, connection: sql.Connection, run: str, item: tuple[str, str | None], drawn: Drawn, author: str
    ) -> Region:
        """Add a version of a region. Raises: UsageError where it is somebody else's."""
        if not author.strip():
            raise UsageError("a region needs an author")
        of_key = (regions_table.c.run == run) & (regions_table.c.region == drawn.region)
        before = self._rows(connection, sql.select(regions_table).where(of_key).limit(1))
        if before and (before[0].author, before[0].item) != (author, item[0]):
            raise UsageError(f"this region is of {before[0].author}, on {before[0].item}: draw one of your own")
        seq, previous = _end(connection)
        region = Region(
            seq=seq,
            run=run,
            item=item[0],
            sha256=item[1],
            region=drawn.region,
            kind=drawn.kind,
            points=json.dumps(drawn.points, separators=(",", ":")),
            label=drawn.label,
            author=author,
            at=_now(),
        )
        connection.execute(log.insert(), [_link(seq, previous, _content(region))])
        connection.execute(regions_table.insert(), [vars(region)])
        return region

    def regions(self, run: str, item: str | None = None) -> list[Region]:
        """The regions that stand, of an item or of all. Raises: RunError."""
        return standing_regions(self.region_versions(run, item))

    def region_versions(self, run: str, item: str | None = None) -> list[Region]:
        """Every version of the regions of an item or of all, oldest first. Raises: RunError."""
        chosen = regions_table.c.run == run
        chosen = chosen if item is None else chosen & (regions_table.c.item == item)
        query = sql.select(regions_table).where(chosen).order_by(regions_table.c.seq)
        return [Region(**row._mapping) for row in self._read(query)]

    def _decided(
        self,
        connection: sql.Connection,
        run: str,
        items: Sequence[tuple[str, str | None]],
        decision: str,
        author: str,
        note: str,
    ) -> list[Verdict]:
        if not decision.strip() or not author.strip():
            raise UsageError("a verdict needs a decision and an author")
        if note.startswith(UNDO):
            raise UsageError(f"a note may not begin with {UNDO!r}: that is how taking back is written")
        return self._append_verdicts(
            connection, run, [(*item, decision, note) for item in dict.fromkeys(items)], author
        )

    def _all_taken_back(self, connection: sql.Connection, run: str, key: str, author: str) -> list[Verdict]:
        """Take back every decision that was sent under a key and still stands."""
        sent = connection.execute(sql.select(sent_table).where(sent_table.c.key == key)).first()
        if sent is None:
            raise UsageError("what is to be taken back was not saved")
        is_of_it = verdict_table.c.seq.between(sent.first, sent.last) & (verdict_table.c.author == author)
        items = sql.select(verdict_table.c.item).where(is_of_it & (verdict_table.c.run == run))
        query = sql.select(verdict_table).where((verdict_table.c.run == run) & verdict_table.c.item.in_(items))
        histories: dict[str, list[Verdict]] = {}
        for row in self._rows(connection, query.order_by(verdict_table.c.seq)):
            histories.setdefault(row.item, []).append(Verdict(**row._mapping))
        found = []
        for history in histories.values():
            stands = standing(history)
            own = next((each for each in stands if sent.first <= each.seq <= sent.last), None)
            found += [] if own is None else [_undoing(own, stands)]
        if not found:
            raise UsageError(f"nothing of it is left for {author} to take back")
        return self._append_verdicts(connection, run, found, author)

    def _taken_back(self, connection: sql.Connection, run: str, items: Sequence[str], author: str) -> list[Verdict]:
        found = []
        for item in items:
            of_item = (verdict_table.c.run == run) & (verdict_table.c.item == item)
            query = sql.select(verdict_table).where(of_item).order_by(verdict_table.c.seq)
            stands = standing([Verdict(**row._mapping) for row in self._rows(connection, query)])
            own = next((each for each in reversed(stands) if each.author == author), None)
            if own is None:
                raise UsageError(f"there is no decision of {author} about {item} to take back")
            found.append(_undoing(own, stands))
        return self._append_verdicts(connection, run, found, author)

    def note_action(self, run: str, item: str, action: str, *, author: str) -> None:
        """Log an action that is no decision, such as a download. Raises: RunError."""
        with self._explained(), self._writing() as connection:
            seq, previous = _end(connection)
            entry = {"seq": seq, "run": run, "item": item, "action": action, "author": author, "at": _now()}
            connection.execute(log.insert(), [_link(seq, previous, _canonical(entry))])

    def actions(self, run: str) -> list[dict[str, Any]]:
        """The logged actions that are no decisions, oldest first. Raises: RunError."""
        entries = [self._entry(row.content) for row in self._read(sql.select(log).order_by(log.c.seq))]
        return [entry for entry in entries if "action" in entry and entry.get("run") == run]

    def _entry(self, content: str) -> dict[str, Any]:
        return checked(
            parsed(content, f"an entry of {self.name}", RunError), ENTRY, f"an entry of {self.name}", RunError
        )

    def _append_verdicts(
        self, connection: sql.Connection, run: str, entries: Sequence[tuple[str, str | None, str, str]], author: str
    ) -> list[Verdict]:
        """Entries of item, SHA-256, decision and note; many at once, since one transaction may hold all of a run's items."""
        seq, previous = _end(connection)
        verdicts, logged = [], []
        for item, sha256, decision, note in entries:
            verdict = Verdict(
                seq=seq, run=run, item=item, sha256=sha256, decision=decision, author=author, note=note, at=_now()
            )
            logged.append(_link(seq, previous, _content(verdict)))
            verdicts.append(verdict)
            seq, previous = seq + 1, logged[-1]["hash"]
        connection.execute(log.insert(), logged)
        connection.execute(verdict_table.insert(), [vars(verdict) for verdict in verdicts])
        return verdicts

    def latest(self, run: str) -> dict[str, Verdict]:
        """The verdict that counts, for every item of the run that has one.

        One that was taken back to nothing has the decision `UNDECIDED`. Raises: RunError.
        """
        newest = sql.select(sql.func.max(verdict_table.c.seq)).where(verdict_table.c.run == run)
        query = sql.select(verdict_table).where(verdict_table.c.seq.in_(newest.group_by(verdict_table.c.item)))
        return {row.item: Verdict(**row._mapping) for row in self._read(query)}

    def since(self, run: str, seq: int) -> list[Verdict]:
        """The decisions about the run's items after entry `seq`, oldest first. Raises: RunError."""
        newer = (verdict_table.c.run == run) & (verdict_table.c.seq > seq)
        query = sql.select(verdict_table).where(newer).order_by(verdict_table.c.seq)
        return [Verdict(**row._mapping) for row in self._read(query)]

    def history(self, run: str, item: str) -> list[Verdict]:
        """Every decision about an item, oldest first. Raises: RunError."""
        of_item = (verdict_table.c.run == run) & (verdict_table.c.item == item)
        query = sql.select(verdict_table).where(of_item).order_by(verdict_table.c.seq)
        return [Verdict(**row._mapping) for row in self._read(query)]

    def verify(self) -> Chain:
        """Recompute the chain and compare every verdict and region with its entry. Raises: RunError."""
        with self._explained(), self._at_one_time() as connection:
            entries = self._rows(connection, sql.select(log).order_by(log.c.seq))
            kept: dict[str, dict[int, Verdict | Region]] = {
                "verdict": {
                    row.seq: Verdict(**row._mapping) for row in self._rows(connection, sql.select(verdict_table))
                },
                "region": {
                    row.seq: Region(**row._mapping) for row in self._rows(connection, sql.select(regions_table))
                },
            }
        previous = GENESIS
        for expected, entry in enumerate(entries, start=1):
            because = _flaw(entry, expected, previous, kept)
            if because:
                return Chain(ok=False, length=len(entries), head=previous, broken_at=entry.seq, because=because)
            previous = entry.hash
        for kind, left in kept.items():
            if left:
                because = f"{kind} {min(left)} has no entry in the log"
                return Chain(ok=False, length=len(entries), head=previous, broken_at=min(left), because=because)
        return Chain(ok=True, length=len(entries), head=previous)

    def _read(self, query: Any) -> list[Any]:
        with self._explained(), self.engine.connect() as connection:
            return self._rows(connection, query)

    def _rows(self, connection: sql.Connection, query: Any) -> list[Any]:
        rows = list(connection.execute(query))
        for column in query.selected_columns:
            self._check_type(column, [getattr(row, column.name) for row in rows])
        return rows

    def _check_type(self, column: Any, values: list[Any]) -> None:
        """SQLite keeps any type in any column, and stores are handed on. Raises: RunError."""
        wanted = column.type.python_type
        for value in values:
            if not isinstance(value, wanted) and not (value is None and column.nullable):
                raise RunError(f"the verdicts in {self.name} are damaged: {column} holds {type(value).__name__}")

    @contextmanager
    def _at_one_time(self) -> Iterator[sql.Connection]:
        """A transaction whose questions see one state, whatever is written meanwhile; SQLite's always do."""
        options = {"isolation_level": "REPEATABLE READ"} if self.engine.dialect.name == "postgresql" else {}
        with self.engine.connect().execution_options(**options) as connection, connection.begin():
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sql.Connection]:
        """A transaction that no other writer is in: the next entry depends on the last."""
        with self.engine.connect().execution_options(writing=True) as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(sql.text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            message = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()[0]
            raise RunError(f"the verdicts in {self.name} cannot be used: {message}; nothing was changed") from error
        except UnicodeDecodeError as error:  # SQLite repeats damaged bytes in its own messages
            raise RunError(f"the verdicts in {self.name} are damaged: {error}; nothing was changed") from error


def is_undo(verdict: Verdict) -> bool:
    """Whether an entry only takes another one back; its decision is what is left, whoever gave that."""
    return verdict.note.startswith(UNDO)


def standing(history: Sequence[Verdict]) -> list[Verdict]:
    """The decisions of a history that were not taken back, oldest first. Entries by which others were taken back are none."""
    taken_back = {verdict.note.removeprefix(UNDO) for verdict in history if is_undo(verdict)}
    return [verdict for verdict in history if not is_undo(verdict) and str(verdict.seq) not in taken_back]


def _end(connection: sql.Connection) -> tuple[int, str]:
    """The number of the next entry, and the hash of the last."""
    last = connection.execute(sql.select(log.c.seq, log.c.hash).order_by(log.c.seq.desc()).limit(1)).first()
    return (1, GENESIS) if last is None else (last.seq + 1, last.hash)


def _link(seq: int, previous: str, content: str) -> dict[str, Any]:
    """An entry of the chain, as the log's table takes it."""
    return {"seq": seq, "content": content, "previous": previous, "hash": _hash(previous, content)}


def _undoing(own: Verdict, stands: Sequence[Verdict]) -> tuple[str, str | None, str, str]:
    """The entry that takes back one of the decisions that stand: what is left of them counts."""
    left = [each.decision for each in stands if each is not own]
    return own.item, own.sha256, left[-1] if left else UNDECIDED, f"{UNDO}{own.seq}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _content(record: Verdict | Region) -> str:
    return _canonical(vars(record))


def _canonical(entry: Mapping[str, Any]) -> str:
    """Canonical JSON: what is hashed."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _hash(previous: str, content: str) -> str:
    return hashlib.sha256(f"{previous}\n{content}".encode()).hexdigest()


def _kind(content: str) -> str:
    """What an entry of the log is about: an action, a region or a verdict."""
    try:
        entry = json.loads(content)
    except (ValueError, RecursionError):
        return "verdict"
    names = entry if isinstance(entry, dict) else {}
    return next((kind for kind in ("action", "region") if kind in names), "verdict")


def _flaw(entry: Any, expected: int, previous: str, kept: Mapping[str, dict[int, Verdict | Region]]) -> str:
    """Why an entry of the log cannot be right; empty if it can. What is kept of it is taken out of `kept`."""
    if entry.seq != expected:
        return f"entry {expected} is missing"
    if entry.previous != previous:
        return f"entry {entry.seq} does not follow the one before it"
    if entry.hash != _hash(entry.previous, entry.content):
        return f"entry {entry.seq} was changed after it was written"
    kind = _kind(entry.content)
    if kind == "action":
        return ""
    record = kept[kind].pop(entry.seq, None)
    if record is None:
        return f"the {kind} of entry {entry.seq} was removed"
    if _content(record) != entry.content:
        return f"{kind} {entry.seq} is not what the log says was {'decided' if kind == 'verdict' else 'drawn'}"
    return ""
