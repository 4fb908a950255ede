"""Studies: what arrived of one study, and has been quiet since, becomes one job of the service's queue.

The job's file is an archive of the objects in the order in which they came. It is the same archive whenever it is made, so that a
node that dies half-way asks the same question again, which is the same job. What comes later is another job: each object is
judged once.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from oddpixel.service.queue import Job, Question, Queue
from oddpixel.service.spool import Spool

from .arrivals import Arrivals, Arrived

CLIENT = "dicom"
log = logging.getLogger(__name__)
EPOCH = (1980, 1, 1, 0, 0, 0)  # the same objects give the same archive


@dataclass(frozen=True)
class Studies:
    """Hands in quiet studies.

    Arguments:
        peers: whom results are for.
        options: of the kind `study`.
    """

    arrivals: Arrivals
    queue: Queue
    spool: Spool
    peers: Sequence[str]
    options: dict[str, Any]

    def hand_in(self, quiet_seconds: float, version: str) -> list[Job]:
        """The jobs of studies that have become quiet."""
        jobs = []
        # Begun first: what comes of a study between asking and noting its job is no part of that question.
        begun = self.arrivals.begun()
        for study, arrived in self.arrivals.quiet(quiet_seconds).items():
            if study not in begun:
                self.arrivals.begin(study, arrived)
                begun[study] = arrived
        for study, arrived in begun.items():
            try:
                archive = self.spool.made(partial(self._write, arrived))
            except FileNotFoundError:  # one study that cannot be had must not hold up the others
                log.warning("files of a study are no longer in the spool; it waits")
                continue
            job = self.queue.submit(
                Question(
                    client=CLIENT, kind="study", sha256=archive, name=f"{study[:16]}.zip", options=self.options,
                    version=version,
                )
            )  # fmt: skip
            self.arrivals.assign(arrived, job.id, self.peers)
            jobs.append(job)
        return jobs

    def _write(self, arrived: Sequence[Arrived], file: BinaryIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for number, each in enumerate(arrived, start=1):
                info = zipfile.ZipInfo(f"{number:05d}.dcm", EPOCH)
                with self.spool.file(each.sha256).open("rb") as source, archive.open(info, "w") as member:
                    while chunk := source.read(2**20):
                        member.write(chunk)
