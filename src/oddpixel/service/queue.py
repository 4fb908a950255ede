"""Jobs in a database: accepted before they are answered, leased to one worker at a time, finished exactly once.

A worker that dies lets its lease run out, and another takes the job up; a job that three workers died of has failed. A result
is written only by the worker that holds the lease, so a slow one that was given up changes nothing. The same question of the
same client (kind, file, options, version of what answers) is the same job, however often it is asked.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError

from oddpixel.errors import describe
from oddpixel.forensics.runs.database import engine_of, writing

LEASE_SECONDS = 60.0
MOST_ATTEMPTS = 3
AT_ONCE, LATER = 0, 1  # priorities: who waits for an answer, and who asks for it later

tables = sql.MetaData()
jobs = sql.Table(
    "service_jobs",
    tables,
    sql.Column("id", sql.String(32), primary_key=True),
    sql.Column("key", sql.String(64), nullable=False, unique=True),
    sql.Column("client", sql.Text, nullable=False),
    sql.Column("kind", sql.Text, nullable=False),
    sql.Column("priority", sql.Integer, nullable=False),
    sql.Column("sha256", sql.String(64)),
    sql.Column("name", sql.Text, nullable=False),
    sql.Column("options", sql.Text, nullable=False),
    sql.Column("version", sql.Text, nullable=False),
    sql.Column("state", sql.Text, nullable=False),
    sql.Column("attempts", sql.Integer, nullable=False),
    sql.Column("worker", sql.Text),
    sql.Column("lease", sql.Float),
    sql.Column("result", sql.Text),
    sql.Column("created", sql.Float, nullable=False),
    sql.Column("finished", sql.Float),
    sql.Index("service_jobs_waiting", "state", "priority", "created"),
)


class State(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (State.WAITING, State.RUNNING)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One question and, once there is one, its answer.

    Arguments:
        id, key: of this job; of the question.
        sha256, name: of the file that it is about; None where it is about none.
        version: of what was to answer it.
        result: its answer; of a failed job `type` and `message` of the error.
    """

    id: str
    client: str
    kind: str
    sha256: str | None
    name: str
    options: dict[str, Any]
    version: str
    state: State
    attempts: int
    result: dict[str, Any] | None
    created: float
    finished: float | None

    @property
    def is_open(self) -> bool:
        """Whether an answer may still come."""
        return self.state in OPEN


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a client asks for; see `Job`."""

    client: str
    kind: str
    sha256: str | None
    name: str
    options: dict[str, Any]
    version: str
    priority: int = LATER

    @property
    def key(self) -> str:
        """A hash of all that makes it another question."""
        parts = [self.client, self.kind, self.sha256, self.name, self.options, self.version]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


class Queue:
    """The jobs of one service.

    Arguments:
        url: `sqlite:///PATH` or a PostgreSQL URL.
    """

    def __init__(self, url: str) -> None:
        self.engine = engine_of(sql.make_url(url))
        with writing(self.engine) as connection:
            tables.create_all(connection)

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    def submit(self, question: Question) -> Job:
        """The job of a question: a new one, or the one that is there; a failed or cancelled one begins anew."""
        try:
            return self._submit(question)
        except IntegrityError:  # asked twice at the same moment: the other one is there now
            return self._submit(question)

    def _submit(self, question: Question) -> Job:
        with writing(self.engine) as connection:
            found = connection.execute(sql.select(jobs).where(jobs.c.key == question.key)).mappings().first()
            if found is not None and found["state"] not in (State.FAILED, State.CANCELLED):
                if question.priority < found["priority"]:
                    connection.execute(jobs.update().where(jobs.c.id == found["id"]).values(priority=question.priority))
                return _job(found)
            if found is not None:
                connection.execute(jobs.delete().where(jobs.c.id == found["id"]))
            row = {
                "id": uuid.uuid4().hex, "key": question.key, "client": question.client, "kind": question.kind,
                "priority": question.priority, "sha256": question.sha256, "name": question.name,
                "options": json.dumps(question.options, sort_keys=True), "version": question.version, "state": State.WAITING,
                "attempts": 0, "worker": None, "lease": None, "result": None, "created": time.time(), "finished": None,
            }  # fmt: skip
            connection.execute(jobs.insert().values(row))
            return _job(row)

    def get(self, job: str, client: str | None = None) -> Job | None:
        """A job by its id; None where there is none, or where it is another client's."""
        with self.engine.connect() as connection:
            found = connection.execute(sql.select(jobs).where(jobs.c.id == job)).mappings().first()
        return None if found is None or client not in (None, found["client"]) else _job(found)

    def finished_among(self, ids: Sequence[str]) -> list[Job]:
        """Those of some jobs that are no longer open."""
        chosen = sql.select(jobs).where(jobs.c.id.in_(ids), jobs.c.state.not_in(OPEN))
        with self.engine.connect() as connection:
            return [_job(row) for row in connection.execute(chosen).mappings()]

    def claim(self, worker: str, count: int = 1) -> list[Job]:
        """Lease the next jobs to a worker; those that too many workers died of fail instead."""
        now = time.time()
        free = sql.or_(jobs.c.state == State.WAITING, sql.and_(jobs.c.state == State.RUNNING, jobs.c.lease < now))
        with writing(self.engine) as connection:
            chosen = sql.select(jobs).where(free).order_by(jobs.c.priority, jobs.c.created).limit(count)
            rows = connection.execute(chosen.with_for_update(skip_locked=True)).mappings().all()
            taken = [row for row in rows if row["attempts"] < MOST_ATTEMPTS]
            _set(
                connection, [row["id"] for row in taken], state=State.RUNNING, worker=worker,
                attempts=jobs.c.attempts + 1, lease=now + LEASE_SECONDS,
            )  # fmt: skip
            lost = [row["id"] for row in rows if row["attempts"] >= MOST_ATTEMPTS]
            error = {"type": "Defect", "message": f"{MOST_ATTEMPTS} workers died of this job; it is not tried again"}
            _set(connection, lost, state=State.FAILED, result=json.dumps(error), finished=now)
        return [_job(row) for row in taken]

    def renew(self, worker: str, ids: Sequence[str]) -> None:
        """Hold on to what a worker is at: one that it could not finish must run out, and be taken up again."""
        mine = sql.and_(jobs.c.id.in_(ids), jobs.c.worker == worker, jobs.c.state == State.RUNNING)
        with writing(self.engine) as connection:
            connection.execute(jobs.update().where(mine).values(lease=time.time() + LEASE_SECONDS))

    def finish(self, worker: str, answers: Sequence[tuple[str, dict[str, Any] | Exception]]) -> list[str]:
        """Write the answers of a worker; the ids of those that were still its own."""
        kept = []
        with writing(self.engine) as connection:
            for job, answer in answers:
                failed = isinstance(answer, Exception)
                result = describe(answer) if isinstance(answer, Exception) else answer
                mine = sql.and_(jobs.c.id == job, jobs.c.worker == worker, jobs.c.state == State.RUNNING)
                done = connection.execute(
                    jobs.update()
                    .where(mine)
                    .values(
                        state=State.FAILED if failed else State.DONE,
                        result=json.dumps(result),
                        finished=time.time(),
                        lease=None,
                    )
                )
                if done.rowcount:
                    kept.append(job)
        return kept

    def give_back(self, worker: str) -> None:
        """Let others take up at once what a worker has not finished, without counting it as an attempt."""
        mine = sql.and_(jobs.c.worker == worker, jobs.c.state == State.RUNNING)
        with writing(self.engine) as connection:
            connection.execute(
                jobs.update()
                .where(mine)
                .values(state=State.WAITING, worker=None, lease=None, attempts=jobs.c.attempts - 1)
            )

    def cancel(self, job: str) -> bool:
        """Stop waiting for a job; False where it is finished already. What a worker still finds is dropped."""
        with writing(self.engine) as connection:
            done = connection.execute(
                jobs.update()
                .where(jobs.c.id == job, jobs.c.state.in_(OPEN))
                .values(state=State.CANCELLED, finished=time.time(), lease=None)
            )
            return bool(done.rowcount)

    def counts(self) -> dict[tuple[str, str], int]:
        """How many jobs there are by kind and state."""
        chosen = sql.select(jobs.c.kind, jobs.c.state, sql.func.count()).group_by(jobs.c.kind, jobs.c.state)
        with self.engine.connect() as connection:
            return {(kind, state): count for kind, state, count in connection.execute(chosen)}

    def num_open(self) -> int:
        """How many jobs wait or run."""
        with self.engine.connect() as connection:
            return int(
                connection.execute(
                    sql.select(sql.func.count()).select_from(jobs).where(jobs.c.state.in_(OPEN))
                ).scalar_one()
            )

    def expire(self, before: float, kept: Collection[str] = ()) -> list[str]:
        """Forget jobs that were finished before, all but these; their ids."""
        old = sql.and_(jobs.c.state.not_in(OPEN), jobs.c.finished < before)
        with writing(self.engine) as connection:
            found = connection.execute(sql.select(jobs.c.id).where(old)).scalars()
            ids = [str(job) for job in found if job not in kept]
            connection.execute(jobs.delete().where(jobs.c.id.in_(ids)))
        return ids

    def ids(self) -> set[str]:
        """All jobs."""
        with self.engine.connect() as connection:
            return {str(job) for job in connection.execute(sql.select(jobs.c.id)).scalars()}

    def files(self) -> set[str]:
        """The SHA-256 of all files that jobs are about."""
        with self.engine.connect() as connection:
            found = connection.execute(sql.select(jobs.c.sha256).where(jobs.c.sha256.is_not(None)).distinct())
            return {str(sha256) for (sha256,) in found}


def _set(connection: sql.Connection, ids: Sequence[str], **values: Any) -> None:
    if ids:
        connection.execute(jobs.update().where(jobs.c.id.in_(ids)).values(**values))


def _job(row: Any) -> Job:
    names = ("id", "client", "kind", "sha256", "name", "version", "attempts", "created", "finished")
    result = None if row["result"] is None else json.loads(row["result"])
    fields = {name: row[name] for name in names}
    return Job(**fields, options=json.loads(row["options"]), state=State(row["state"]), result=result)
