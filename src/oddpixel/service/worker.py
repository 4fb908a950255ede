"""`python -m oddpixel.service.worker`: claims jobs and answers them, until it is told to stop or the service is gone.

SIGTERM lets it finish what it is at. A job is worked on in a folder of its own, which is emptied first, so that doing it twice
gives the same files.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from oddpixel.border import ENDS_BATCH, typed
from oddpixel.datasets.decoders import FROM_SHARD_TO_SHARD
from oddpixel.datasets.source import check_stands_alone
from oddpixel.errors import CorruptFile, ModelError

from .kinds import Task, kinds
from .models import Models
from .queue import LEASE_SECONDS, Job, Queue
from .spool import READY, Spool

IDLE, LONGEST_IDLE = 0.005, 0.1  # seconds between looks into the queue
UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
LONGEST_NAME = 80
EXCHANGE_SECONDS = 60.0  # that a detector may be away, or not whole, while another is put into its place


class Worker:
    """One process that answers jobs."""

    def __init__(self, queue: Queue, spool: Spool, models: Models, stopping: threading.Event | None = None) -> None:
        self.queue, self.spool, self.models = queue, spool, models
        self.name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.stopping = stopping or threading.Event()
        self.at: tuple[str, ...] = ()  # the jobs that it is answering
        self._renewing = threading.Thread(target=self._renew, daemon=True)
        self.away_since: float | None = None  # of the detector

    def run(self, parent: int) -> None:
        """Answer jobs until `stopping` is set, or the process that started this one is gone."""
        self._warm_up()
        self.queue.give_back(self.name)  # what an absence of the database has left under its name
        if not self._renewing.is_alive():
            self._renewing.start()
        idle = IDLE
        try:
            while not self.stopping.is_set() and os.getppid() == parent:
                jobs = self.queue.claim(self.name)
                if not jobs:
                    self.stopping.wait(idle)
                    idle = min(2 * idle, LONGEST_IDLE)
                    continue
                idle, self.at = IDLE, tuple(job.id for job in jobs)
                for job in jobs:
                    if self._is_ready_for(job):
                        self.queue.finish(self.name, [(job.id, self.answer(job))])
        finally:
            self.at = ()
            self.queue.give_back(self.name)
            FROM_SHARD_TO_SHARD.close()

    def _warm_up(self) -> None:
        """Load what the first answer would wait for, and say so."""
        try:
            if self.models.folder is not None:
                self.models.detector()
        except ModelError:  # it is being exchanged: each job waits for it, and the first that finds it says so
            return
        self._say_ready()

    def _say_ready(self) -> None:
        """Leave a file that the service looks for."""
        ready = self.spool.folder / READY / str(os.getpid())
        with contextlib.suppress(OSError):  # a full disk is told to clients by the service
            ready.parent.mkdir(exist_ok=True)
            ready.touch()

    def _is_ready_for(self, job: Job) -> bool:
        """Wait while a detector is exchanged: an accepted job must not fail of that. False where the worker is to stop.

        One that stays away is waited for once, not once for every job.
        """
        while kinds()[job.kind].needs_detector:
            try:
                self.models.detector()
            except ModelError:
                self.away_since = self.away_since or time.monotonic()
                if time.monotonic() > self.away_since + EXCHANGE_SECONDS:
                    break
                if self.stopping.wait(0.5):
                    return False
            else:
                self.away_since = None
                self._say_ready()
                break
        return True

    def answer(self, job: Job) -> dict[str, Any] | Exception:
        """The answer to one job, or the error that stands for it."""
        out = self.spool.results(job.id)
        shutil.rmtree(out, ignore_errors=True)  # of a worker that died of it, or was given up
        given = self.spool.folder / "given" / f"{job.id}-{self.name}"
        try:
            task = Task(self._given(job, given), job.options, out, self.models)
            answer = kinds()[job.kind].run(task)
            self.spool.flush(job.id, answer.get("objects", []))  # they will be sent away
            return answer
        except ENDS_BATCH:
            raise
        except BaseException as error:
            return typed(error)
        finally:
            shutil.rmtree(given, ignore_errors=True)

    def _given(self, job: Job, folder: Path) -> Path | None:
        """The job's file under a name that is safe, its suffix kept."""
        if job.sha256 is None:
            return None
        source = self.spool.file(job.sha256)
        if not source.is_file():
            raise CorruptFile("the file is no longer in the spool; send it again")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / safe_name(job.name)
        with contextlib.suppress(FileExistsError):
            os.link(source, path)
        check_stands_alone(path)
        return path

    def _renew(self) -> None:
        while not self.stopping.wait(LEASE_SECONDS / 4):
            with contextlib.suppress(Exception):  # the database may be away for a moment; the lease outlasts it
                self.queue.renew(self.name, self.at)


def safe_name(name: str) -> str:
    """A file name of harmless characters that keeps the suffix; `file` where nothing is left."""
    cleaned = UNSAFE.sub("_", name.replace("\\", "/").rpartition("/")[2]).lstrip(".")[-LONGEST_NAME:]
    return cleaned or "file"


def main() -> None:
    """Run one worker with the arguments of the service."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--store", required=True)
    parser.add_argument("--detector", type=Path)
    parser.add_argument("--max-megapixels", type=float, default=150.0)
    # By number: that process may be gone before this one has imported what it needs.
    parser.add_argument("--parent", type=int, required=True)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    stopping, worker = threading.Event(), None
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    while not stopping.is_set():
        try:
            if worker is None:
                models = Models(given.detector, given.max_megapixels)
                worker = Worker(Queue(given.store), Spool(given.folder), models, stopping)
            return worker.run(given.parent)
        except Exception:  # the database or the disk is away: wait for it, jobs are safe there
            if os.getppid() != given.parent:
                return None
            stopping.wait(1.0)
    return None


if __name__ == "__main__":
    main()
