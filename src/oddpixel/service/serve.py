"""Start the service: check where it may listen, start its workers, and serve until interrupted.

On SIGTERM no new request is taken, those under way are answered, workers finish what they are at, and what they have not begun
stays in the queue for the next start.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from oddpixel.errors import UsageError

from .app import Service, application
from .clients import Clients, Issued
from .models import could_flag, version_of
from .prompt_requests import PromptRequests
from .queue import Queue
from .spool import READY, Spool

STOP_SECONDS = 30.0
LOOK_SECONDS = 0.2
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a service keeps what it has, and what it works with.

    Arguments:
        store: URL of the database; None keeps SQLite in the folder.
    """

    folder: Path
    store: str | None = None
    detector: Path | None = None
    max_megapixels: float = 150.0

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.store or f"sqlite:///{self.folder.resolve() / 'jobs.sqlite'}"


@dataclass
class Workers:
    """Worker processes that are started again when they die."""

    place: Place
    count: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Start all of them, and watch over them."""
        shutil.rmtree(self.place.folder / READY, ignore_errors=True)
        self.processes = [self._started() for _ in range(self.count)]
        threading.Thread(target=self._watch, daemon=True).start()

    def is_warm(self) -> bool:
        """Whether one of them has loaded what it answers with; of those of other machines nothing is known here."""
        return not self.processes or any(
            (self.place.folder / READY / str(each.pid)).exists() for each in self.processes
        )

    def stop(self) -> None:
        """Let them finish what they are at; those that take too long are ended, and their jobs stay in the queue."""
        self.stopping.set()
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _watch(self) -> None:
        while not self.stopping.wait(LOOK_SECONDS):
            for number, process in enumerate(self.processes):
                if process.poll() is not None and not self.stopping.is_set():
                    self.processes[number] = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        place = self.place
        detector = [] if place.detector is None else ["--detector", str(place.detector)]
        return subprocess.Popen(
            [
                sys.executable, "-m", "oddpixel.service.worker", "--folder", str(place.folder), "--store", place.url,
                "--max-megapixels", str(place.max_megapixels), "--parent", str(os.getpid()), *detector,
            ],
            stdin=subprocess.DEVNULL,
        )  # fmt: skip


def serve(
    place: Place, *, host: str, port: int, tokens: dict[str, str], workers: int, rate: float, max_megabytes: float,
    max_open: int, keep_hours: float, issued: Issued | None = None,
) -> None:  # fmt: skip
    """Serve until interrupted. Raises: UsageError where others could reach it without a token, ModelError."""
    import uvicorn

    if not tokens and issued is None and host not in LOOPBACK:
        raise UsageError(f"on {host} anybody could ask; give --tokens FILE or --oidc, or listen on 127.0.0.1")
    if issued is not None:
        issued.provider.document  # noqa: B018 -- a provider that is not there is told of at once
    version_of(place.detector)
    if (why_not := could_flag(place.detector)) is not None:
        print(f"service: {why_not}", file=sys.stderr, flush=True)
    place.folder.mkdir(parents=True, exist_ok=True)
    service = Service(
        Queue(place.url), Spool(place.folder), Clients(tokens, rate, 2 * rate, issued), place.detector,
        max_bytes=int(max_megabytes * 1e6), max_open=max_open, keep_seconds=keep_hours * 3600,
    )  # fmt: skip
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise UsageError(f"cannot listen on {host}, port {port}: {error.strerror or error}") from error
    crew = Workers(place, workers)
    crew.start()
    service.is_warm = crew.is_warm
    print(f"service: http://{host}:{listening.getsockname()[1]}/v1/kinds", flush=True)
    config = uvicorn.Config(
        application(service), log_level="warning", access_log=False, server_header=False,
        timeout_graceful_shutdown=int(STOP_SECONDS), limit_concurrency=1000, http=PromptRequests,
    )  # fmt: skip
    # Uvicorn stops in good order, and then raises the signal again, which must not end this process before its workers.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        crew.stop()
        service.queue.close()
