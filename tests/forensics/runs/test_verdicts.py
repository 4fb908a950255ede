"""Verdicts: none lost among many writers, and no change afterwards goes unseen. On SQLite and on a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from oddpixel.errors import RunError, UsageError
from oddpixel.forensics.runs.verdicts import Sent, Verdicts, log, verdict_table
from tests.forensics.runs import postgresql

WRITE = """
import sys
from pathlib import Path
from oddpixel.forensics.runs.verdicts import Verdicts
place, author = sys.argv[1:]
verdicts = Verdicts(place)
for k in range(250):
    verdicts.record("r", f"item-{k}", "odd" if k % 2 else "normal", author=author, note="é ' \\n {}")
"""


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    if postgresql.find("initdb") is None:
        if os.environ.get("ODDPIXEL_REQUIRE_POSTGRESQL"):
            pytest.fail("PostgreSQL's programs are missing, and these tests must run: apt-get install postgresql")
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with postgresql.server() as url:
        yield url


@pytest.fixture
def verdicts(place: str) -> Iterator[Verdicts]:
    with Verdicts(place) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where verdicts go: empty before every test."""
    if request.param == "sqlite":
        yield str(tmp_path / "verdicts.sqlite")
        return
    url = request.getfixturevalue("postgresql_url")
    yield url
    engine = sql.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sql.text("DROP TABLE IF EXISTS audit_log, verdicts"))
    engine.dispose()


def test_a_thousand_verdicts_by_four_processes(place: str, verdicts: Verdicts) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITE, place, f"author {k}"]) for k in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    chain = verdicts.verify()
    assert (chain.ok, chain.length) == (True, 1000)
    assert len(verdicts.latest("r")) == 250
    history = verdicts.history("r", "item-7")
    assert Counter(verdict.author for verdict in history) == {f"author {k}": 1 for k in range(4)}
    assert {verdict.note for verdict in history} == {"é ' \n {}"}
    assert history[-1] == verdicts.latest("r")["item-7"]
    assert verdicts.latest("another run") == {}


Attack = Callable[[sql.Connection], object]
ATTACKS: dict[str, Attack] = {
    "verdict edited": lambda c: c.execute(verdict_table.update().where(verdict_table.c.seq == 3).values(decision="x")),
    "verdict removed": lambda c: c.execute(verdict_table.delete().where(verdict_table.c.seq == 3)),
    "verdict smuggled in": lambda c: c.execute(
        verdict_table.insert().values(seq=99, run="r", item="i", decision="d", author="a", note="", at="")
    ),
    "author swapped": lambda c: c.execute(verdict_table.update().where(verdict_table.c.seq == 3).values(author="x")),
    "entry edited": lambda c: c.execute(log.update().where(log.c.seq == 3).values(content="{}")),
    "entry removed": lambda c: c.execute(log.delete().where(log.c.seq == 3)),
    "first entry removed": lambda c: c.execute(log.delete().where(log.c.seq == 1)),
    "last entry removed": lambda c: c.execute(log.delete().where(log.c.seq == 5)),
    "hash edited": lambda c: c.execute(log.update().where(log.c.seq == 5).values(hash="0" * 64)),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_change_afterwards_is_seen(attack: str, verdicts: Verdicts) -> None:
    for k in range(5):
        verdicts.record("r", f"item {k}", "odd", author="a")
    before = verdicts.verify()
    assert before.ok
    with verdicts.engine.connect().execution_options(writing=True) as connection, connection.begin():
        ATTACKS[attack](connection)
    after = verdicts.verify()
    assert not after.ok
    assert after.broken_at is not None
    assert after.because


def test_the_end_cut_off_shows_in_the_head_only(verdicts: Verdicts) -> None:
    """What a chain cannot show: say so, and give the head to be kept elsewhere."""
    for k in range(3):
        verdicts.record("r", f"item {k}", "odd", author="a")
    head = verdicts.verify().head
    with verdicts.engine.connect().execution_options(writing=True) as connection, connection.begin():
        connection.execute(log.delete().where(log.c.seq == 3))
        connection.execute(verdict_table.delete().where(verdict_table.c.seq == 3))
    cut = verdicts.verify()
    assert cut.ok
    assert cut.head != head


def test_stores_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="SQLite or PostgreSQL"):
        Verdicts("mysql://somewhere/db")
    with pytest.raises(RunError, match="cannot be used"):
        Verdicts(tmp_path / "no" / "such" / "folder.sqlite")
    (tmp_path / "damaged.sqlite").write_bytes(b"not a database" * 200)
    with pytest.raises(RunError, match="cannot be used"):
        Verdicts(tmp_path / "damaged.sqlite")
    with pytest.raises(RunError, match="cannot be used"):
        Verdicts(f"postgresql://nobody@/postgres?host={tmp_path}")
    with Verdicts(tmp_path / "fine.sqlite") as verdicts:
        with pytest.raises(UsageError, match="decision and an author"):
            verdicts.record("r", "item", " ", author="a")
        assert verdicts.verify().length == 0


def test_taking_back_leaves_what_was_before_and_a_trace(verdicts: Verdicts) -> None:
    verdicts.record_all("r", [("a", None), ("b", "0" * 64)], "odd", author="ann")
    verdicts.record("r", "a", "normal", author="ben")
    assert [each.decision for each in verdicts.undo("r", ["a"], author="ann")] == ["normal"], (
        "one's own, and ben's stays"
    )
    assert [each.decision for each in verdicts.undo("r", ["a"], author="ben")] == ["undecided"]
    verdicts.undo("r", ["b"], author="ann")
    assert {name: each.decision for name, each in verdicts.latest("r").items()} == {"a": "undecided", "b": "undecided"}
    with pytest.raises(UsageError, match="no decision of ann about a"):
        verdicts.undo("r", ["a"], author="ann")
    verdicts.record("r", "a", "unsure", author="ann")
    verdicts.undo("r", ["a"], author="ann")
    assert verdicts.latest("r")["a"].decision == "undecided"
    assert len(verdicts.history("r", "a")) == 6, "nothing is forgotten"
    assert [each.item for each in verdicts.since("r", 6)] == ["a", "a"]
    with pytest.raises(UsageError, match="may not begin"):
        verdicts.record("r", "a", "odd", author="ann", note="undo of entry 1")
    assert verdicts.verify().ok


def test_actions_are_in_the_chain(verdicts: Verdicts) -> None:
    verdicts.note_action("r", "a", "identifiers shown", author="ann")
    verdicts.record("r", "a", "odd", author="ann")
    assert [(each["item"], each["action"]) for each in verdicts.actions("r")] == [("a", "identifiers shown")]
    assert verdicts.verify().ok
    with verdicts.engine.begin() as connection:
        connection.execute(log.update().where(log.c.seq == 1).values(content='{"action": "nothing"}'))
    assert verdicts.verify().broken_at == 1


def test_what_a_browser_sends_twice_is_done_once(verdicts: Verdicts) -> None:
    sent = [
        Sent(key="key-0001", items=(("a", None), ("b", None)), decision="odd"),
        Sent(key="key-0002", items=(("a", None),), decision=None),
        Sent(key="key-0003", items=(("nothing", None),), decision=None),
        Sent(key="key-0004", items=(("c", None),), decision="normal", note="sound"),
    ]
    done = verdicts.receive("r", sent, author="ann")
    assert [each is None for each in done] == [True, True, False, True]
    assert "no decision of ann about nothing" in str(done[2])
    assert [each is None for each in verdicts.receive("r", sent[:2] + sent[3:], author="ann")] == [True, True, True]
    assert len(verdicts.since("r", 0)) == 4
    found = {item: each.decision for item, each in verdicts.latest("r").items()}
    assert found == {"a": "undecided", "b": "odd", "c": "normal"}
    assert verdicts.verify().ok


def test_a_verdict_on_many_is_taken_back_as_a_whole_or_not_at_all(verdicts: Verdicts) -> None:
    names = [f"item-{k}" for k in range(2500)]
    many = tuple((name, None) for name in [*names, names[0]])
    verdicts.record("r", names[7], "odd", author="ann")
    assert verdicts.receive("r", [Sent(key="key-many", items=many, decision="normal")], author="ann") == [None]
    verdicts.record("r", names[8], "unsure", author="ann")
    verdicts.undo("r", [names[9]], author="ann")  # one of them was taken back by itself already
    undo = Sent(key="key-undo", items=(), decision=None, undoes="key-many")
    assert "nothing of it is left for ben" in str(verdicts.receive("r", [undo], author="ben")[0])
    assert verdicts.receive("r", [undo, undo], author="ann") == [None, None]
    found = {item: each.decision for item, each in verdicts.latest("r").items()}
    assert {item: each for item, each in found.items() if each != "undecided"} == {names[7]: "odd", names[8]: "unsure"}
    again = Sent(key="key-more", items=(), decision=None, undoes="key-many")
    assert "nothing of it is left" in str(verdicts.receive("r", [again], author="ann")[0])
    unknown = Sent(key="key-other", items=(), decision=None, undoes="key-never")
    assert "was not saved" in str(verdicts.receive("r", [unknown], author="ann")[0])
    assert len(verdicts.since("r", 0)) == 2500 + 2 + 1 + 2499
    assert verdicts.verify().ok


def test_what_is_written_while_the_chain_is_checked_breaks_nothing(
    verdicts: Verdicts, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdicts.record("r", "a", "odd", author="ann")
    read = verdicts._rows

    def read_slowly(connection: Any, query: Any) -> list[Any]:
        rows = read(connection, query)
        if query.selected_columns[0].table is log:
            monkeypatch.setattr(verdicts, "_rows", read)
            verdicts.record("r", "b", "odd", author="ben")
        return rows

    monkeypatch.setattr(verdicts, "_rows", read_slowly)
    assert verdicts.verify().length == 1
    assert verdicts.verify().length == 2
