"""The queue: accepted once, leased to one worker, finished once, on SQLite and PostgreSQL alike."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql
from sqlalchemy.exc import OperationalError

from oddpixel.errors import CorruptFile
from oddpixel.service.models import Models
from oddpixel.service.queue import AT_ONCE, LEASE_SECONDS, MOST_ATTEMPTS, Question, Queue, State, jobs
from oddpixel.service.spool import Spool
from oddpixel.service.worker import Worker
from tests.forensics.runs import postgresql

ASKED = Question(client="lab", kind="score", sha256="0" * 64, name="a.png", options={"alpha": 0.05}, version="1")


@pytest.fixture(scope="module")
def postgresql_url() -> Iterator[str]:
    if postgresql.find("initdb") is None:
        pytest.fail("PostgreSQL's programs are missing, and these tests must run: apt-get install postgresql")
    with postgresql.server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Queue]:
    url = f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    found = Queue(url if request.param == "sqlite" else request.getfixturevalue("postgresql_url"))
    with found.engine.begin() as connection:
        connection.execute(jobs.delete())
    yield found
    found.close()


def expire_leases(queue: Queue) -> None:
    with queue.engine.connect().execution_options(writing=True) as connection, connection.begin():
        connection.execute(jobs.update().values(lease=time.time() - 1))


def test_the_same_question_is_the_same_job(queue: Queue) -> None:
    first = queue.submit(ASKED)
    assert queue.submit(ASKED).id == first.id
    for other in (
        replace(ASKED, client="press"), replace(ASKED, name="b.png"), replace(ASKED, options={"alpha": 0.1}),
        replace(ASKED, version="2"), replace(ASKED, sha256="1" * 64),
    ):  # fmt: skip
        assert queue.submit(other).id != first.id
    assert queue.num_open() == 6
    assert queue.get(first.id, "press") is None
    assert queue.get("nothing") is None


def test_who_waits_for_an_answer_comes_first(queue: Queue) -> None:
    later, soon = queue.submit(ASKED), queue.submit(replace(ASKED, name="b", priority=AT_ONCE))
    assert [job.id for job in queue.claim("w", 5)] == [soon.id, later.id]
    third = queue.submit(replace(ASKED, name="c"))
    fourth = queue.submit(replace(ASKED, name="d"))
    queue.submit(replace(ASKED, name="d", priority=AT_ONCE))
    assert [job.id for job in queue.claim("w", 5)] == [fourth.id, third.id]


def test_one_result_by_the_worker_that_holds_the_lease(queue: Queue) -> None:
    job = queue.submit(ASKED)
    assert [each.id for each in queue.claim("slow")] == [job.id]
    assert queue.claim("quick") == []
    expire_leases(queue)
    assert [each.id for each in queue.claim("quick")] == [job.id]
    assert queue.finish("slow", [(job.id, {"by": "slow"})]) == []
    assert queue.finish("quick", [(job.id, {"by": "quick"})]) == [job.id]
    assert queue.finish("quick", [(job.id, {"by": "again"})]) == []
    found = queue.get(job.id)
    assert found is not None
    assert (found.state, found.result, found.attempts) == (State.DONE, {"by": "quick"}, 2)


def test_what_workers_die_of_is_not_tried_for_ever(queue: Queue) -> None:
    job = queue.submit(ASKED)
    for number in range(MOST_ATTEMPTS):
        assert [each.id for each in queue.claim(f"w{number}")] == [job.id]
        expire_leases(queue)
    assert queue.claim("last") == []
    found = queue.get(job.id)
    assert found is not None
    assert found.state == State.FAILED
    assert found.result is not None
    assert "workers died" in found.result["message"]
    assert queue.submit(ASKED).id != job.id, "asked again, it begins anew"


def test_what_is_given_back_or_cancelled(queue: Queue) -> None:
    job = queue.submit(ASKED)
    queue.claim("w")
    queue.give_back("w")
    (again,) = queue.claim("x")
    assert (again.id, again.attempts) == (job.id, 0)
    assert queue.cancel(job.id)
    assert not queue.cancel(job.id)
    assert queue.finish("x", [(job.id, {"late": True})]) == []
    failed = queue.submit(replace(ASKED, name="b"))
    queue.claim("x")
    queue.finish("x", [(failed.id, CorruptFile("no picture"))])
    found = queue.get(failed.id)
    assert found is not None
    assert found.result == {"type": "CorruptFile", "message": "no picture"}
    assert {job.id for job in queue.finished_among([job.id, failed.id, "none"])} == {job.id, failed.id}
    assert set(queue.expire(time.time() + 1)) == {job.id, failed.id}
    assert queue.counts() == {}


def test_only_what_a_worker_is_at_is_held(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that could not be finished, since the disk was full, would be held for ever by the worker that goes on."""
    stuck, under_way = queue.submit(ASKED), queue.submit(replace(ASKED, name="b"))
    assert len(queue.claim("w", 2)) == 2
    later = time.time() + 2 * LEASE_SECONDS
    monkeypatch.setattr(time, "time", lambda: later)
    queue.renew("w", [under_way.id])
    (again,) = queue.claim("x", 2)
    assert again.id == stuck.id


def test_what_a_worker_could_not_finish_is_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    job = queue.submit(replace(ASKED, kind="audit"))
    worker = Worker(queue, Spool(tmp_path / "spool"), Models(None))
    monkeypatch.setattr(worker, "answer", lambda job: {})

    def away(*_: object) -> None:
        raise OperationalError("no room", None, Exception())

    with monkeypatch.context() as without_room:
        without_room.setattr(queue, "finish", away)
        without_room.setattr(queue, "give_back", lambda name: None)
        with pytest.raises(OperationalError):
            worker.run(os.getppid())
    assert worker.at == ()
    finished = queue.finish

    def last(*given: Any) -> list[str]:
        worker.stopping.set()
        return finished(*given)

    monkeypatch.setattr(queue, "finish", last)
    worker.run(os.getppid())
    found = queue.get(job.id)
    queue.close()
    assert found is not None
    assert found.state == State.DONE


def test_many_workers_share_without_doing_anything_twice(queue: Queue) -> None:
    wanted = {queue.submit(replace(ASKED, name=str(number))).id for number in range(60)}
    done: list[str] = []

    def work(name: str) -> None:
        while mine := queue.claim(name, 3):
            done.extend(queue.finish(name, [(job.id, {}) for job in mine]))

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == sorted(wanted)


def test_a_database_that_is_away_says_so(tmp_path: Path) -> None:
    with pytest.raises(sql.exc.SQLAlchemyError):
        Queue("postgresql+psycopg://nobody@127.0.0.1:1/nothing?connect_timeout=2")
