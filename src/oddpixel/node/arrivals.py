"""What has arrived: every object once, with the job that answers it and how far its results are delivered.

Study and instance UIDs name patients to those who have the archive, so that only their SHA-256 is kept.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError

from oddpixel.forensics.runs.database import engine_of, writing

tables = sql.MetaData()
objects = sql.Table(
    "node_objects",
    tables,
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=True),
    sql.Column("study", sql.String(64), nullable=False),
    sql.Column("instance", sql.String(64), nullable=False),
    sql.Column("sha256", sql.String(64), nullable=False),
    sql.Column("received", sql.Float, nullable=False),
    sql.Column("job", sql.String(32), index=True),
    sql.UniqueConstraint("instance", "sha256"),
)
deliveries = sql.Table(
    "node_deliveries",
    tables,
    sql.Column("job", sql.String(32), primary_key=True),
    sql.Column("peer", sql.Text, primary_key=True),
    sql.Column("sent", sql.Integer, nullable=False),
    sql.Column("attempts", sql.Integer, nullable=False),
    sql.Column("next", sql.Float, nullable=False),
    sql.Column("finished", sql.Float),
)


BEGUN = "begun:"  # in place of a job, before a study
IS_BEGUN = objects.c.job.startswith(BEGUN)


@dataclass(frozen=True)
class Arrived:
    """One object: its number in the order of arrival, and its file in the spool."""

    number: int
    sha256: str


@dataclass(frozen=True)
class Delivery:
    """What one peer still has to get of a job's results.

    Arguments:
        sent: objects that it has taken.
        attempts: that failed in a row.
    """

    job: str
    peer: str
    sent: int
    attempts: int


class Arrivals:
    """The table of one node.

    Arguments:
        url: of the database that holds the service's queue, too.
    """

    def __init__(self, url: str) -> None:
        self.engine = engine_of(sql.make_url(url))
        with writing(self.engine) as connection:
            tables.create_all(connection)

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    def note(self, study: str, instance: str, sha256: str) -> bool:
        """Note an object that is in the spool; False where the same content of that instance has arrived before.

        Arguments:
            study, instance: their UIDs.
        """
        row = {"study": hashed(study), "instance": hashed(instance), "sha256": sha256, "received": time.time()}
        try:
            with writing(self.engine) as connection:
                connection.execute(objects.insert().values(row))
        except IntegrityError:
            return False
        return True

    def begin(self, study: str, arrived: Sequence[Arrived]) -> None:
        """Note that these objects of a study are asked about together, before it is known as which job."""
        with writing(self.engine) as connection:
            numbers = [each.number for each in arrived]
            connection.execute(objects.update().where(objects.c.number.in_(numbers)).values(job=f"{BEGUN}{study[:16]}"))

    def begun(self) -> dict[str, list[Arrived]]:
        """By study, the objects that were begun and have no job yet: what a node that died was about to ask."""
        chosen = sql.select(objects).where(IS_BEGUN).order_by(objects.c.number)
        found: dict[str, list[Arrived]] = {}
        with self.engine.connect() as connection:
            for row in connection.execute(chosen).mappings():
                found.setdefault(row["study"], []).append(Arrived(row["number"], row["sha256"]))
        return found

    def forget(self, peer: str) -> int:
        """Deliver nothing more to a peer; how many deliveries it had not got yet."""
        which = sql.and_(deliveries.c.peer == peer, deliveries.c.finished.is_(None))
        with writing(self.engine) as connection:
            return connection.execute(deliveries.delete().where(which)).rowcount

    def waiting_for(self) -> dict[str, int]:
        """How many deliveries every peer has yet to get."""
        number = sql.func.count()
        chosen = (
            sql.select(deliveries.c.peer, number).where(deliveries.c.finished.is_(None)).group_by(deliveries.c.peer)
        )
        with self.engine.connect() as connection:
            return {str(row[0]): int(row[1]) for row in connection.execute(chosen)}

    def quiet(self, seconds: float) -> dict[str, list[Arrived]]:
        """By study, the objects without a job, where none has arrived for so many seconds."""
        open_ones = sql.select(objects).where(objects.c.job.is_(None)).order_by(objects.c.number)
        found: dict[str, list[Arrived]] = {}
        newest: dict[str, float] = {}
        with self.engine.connect() as connection:
            for row in connection.execute(open_ones).mappings():
                found.setdefault(row["study"], []).append(Arrived(row["number"], row["sha256"]))
                newest[row["study"]] = max(newest.get(row["study"], 0.0), row["received"])
        before = time.time() - seconds
        return {study: arrived for study, arrived in found.items() if newest[study] < before}

    def assign(self, arrived: Sequence[Arrived], job: str, peers: Sequence[str]) -> None:
        """Note the job that answers these objects, and whom its results are for."""
        with writing(self.engine) as connection:
            numbers = [each.number for each in arrived]
            connection.execute(objects.update().where(objects.c.number.in_(numbers)).values(job=job))
            known = set(connection.execute(sql.select(deliveries.c.peer).where(deliveries.c.job == job)).scalars())
            rows = [
                {"job": job, "peer": peer, "sent": 0, "attempts": 0, "next": 0.0, "finished": None}
                for peer in peers
                if peer not in known
            ]
            if rows:
                connection.execute(deliveries.insert(), rows)

    def due(self) -> list[Delivery]:
        """Deliveries that are not finished and whose time has come."""
        columns = deliveries.c
        chosen = (
            sql.select(columns.job, columns.peer, columns.sent, columns.attempts)
            .where(columns.finished.is_(None), columns.next <= time.time())
            .order_by(columns.next)
        )
        with self.engine.connect() as connection:
            return [Delivery(**row) for row in connection.execute(chosen).mappings()]

    def sent(self, delivery: Delivery, count: int, *, finished: bool) -> None:
        """Note that a peer has taken so many objects of a job."""
        self._update(delivery, sent=count, attempts=0, finished=time.time() if finished else None)

    def failed(self, delivery: Delivery, seconds: float) -> None:
        """Note that a peer could not be reached, or did not take an object; try again after so many seconds."""
        self._update(delivery, attempts=deliveries.c.attempts + 1, next=time.time() + seconds)

    def hand_over(self, old: str, new: str) -> None:
        """Note that another job answers what one was to answer, from the beginning."""
        with writing(self.engine) as connection:
            connection.execute(objects.update().where(objects.c.job == old).values(job=new))
            of_job = deliveries.update().where(deliveries.c.job == old)
            connection.execute(of_job.values(job=new, sent=0, attempts=0, next=0.0, finished=None))

    def _update(self, delivery: Delivery, **values: object) -> None:
        which = sql.and_(deliveries.c.job == delivery.job, deliveries.c.peer == delivery.peer)
        with writing(self.engine) as connection:
            connection.execute(deliveries.update().where(which).values(**values))

    def waiting_files(self) -> set[str]:
        """The SHA-256 of objects that have no job yet: their files must stay."""
        with self.engine.connect() as connection:
            found = connection.execute(sql.select(objects.c.sha256).where(objects.c.job.is_(None) | IS_BEGUN))
            return set(found.scalars())

    def waiting_jobs(self) -> set[str]:
        """Jobs whose results somebody still has to get."""
        with self.engine.connect() as connection:
            found = connection.execute(sql.select(deliveries.c.job).where(deliveries.c.finished.is_(None)).distinct())
            return set(found.scalars())

    def counts(self) -> dict[str, int]:
        """How much has arrived, waits for its study to be quiet, and waits to be delivered."""
        number = sql.func.count()
        with self.engine.connect() as connection:
            return {
                "received": connection.execute(sql.select(number).select_from(objects)).scalar_one(),
                "waiting": connection.execute(
                    sql.select(number).select_from(objects).where(objects.c.job.is_(None) | IS_BEGUN)
                ).scalar_one(),
                "undelivered": connection.execute(
                    sql.select(number).select_from(deliveries).where(deliveries.c.finished.is_(None))
                ).scalar_one(),
            }


def hashed(uid: str) -> str:
    """How a UID is kept."""
    return hashlib.sha256(uid.encode()).hexdigest()
