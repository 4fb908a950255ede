"""Run a node: receive, group, deliver, sweep, and the service's workers beside it, until interrupted."""

from __future__ import annotations

import logging
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from oddpixel.errors import OddPixelError
from oddpixel.forensics.detect.guarantee import guarantee
from oddpixel.service.models import num_groups_of, version_of
from oddpixel.service.queue import Queue
from oddpixel.service.serve import Place, Workers
from oddpixel.service.spool import Spool

from .arrivals import Arrivals
from .deliver import Deliverer
from .peers import Caller, peer_of
from .receive import Door, Receiver
from .studies import Studies

LOOK_SECONDS, SWEEP_SECONDS = 1.0, 300.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Results:
    """What becomes of a study.

    Arguments:
        peers: addresses of those who get the results.
        options: of the kind `study`.
        quiet_seconds: a study has arrived when nothing of it came for so long.
        keep_seconds: how long studies and results stay once they are delivered.
        forget: addresses of those who get nothing more of what they have not got yet.
    """

    peers: Sequence[str]
    options: dict[str, Any]
    quiet_seconds: float = 30.0
    keep_seconds: float = 24 * 3600.0
    forget: Sequence[str] = ()


def run_node(place: Place, door: Door, results: Results, *, workers: int, token: str | None = None) -> None:
    """Receive and answer until interrupted. Raises: UsageError, ModelError."""
    version_of(place.detector)
    _check_can_flag(place, results.options["alpha"])
    caller = Caller(aet=door.aet, credentials=door.credentials, token=token)
    peers = {address: peer_of(address, caller) for address in results.peers}
    place.folder.mkdir(parents=True, exist_ok=True)
    queue, spool, arrivals = Queue(place.url), Spool(place.folder), Arrivals(place.url)
    for address, count in arrivals.waiting_for().items():
        if address in results.forget:
            log.warning("%s will not get %d results", address, arrivals.forget(address))
        elif address not in peers:
            log.warning("%d results wait for %s, which --to does not name; --forget gives them up", count, address)
    studies = Studies(arrivals, queue, spool, tuple(peers), results.options)
    receiver, deliverer = Receiver(door, spool, arrivals), Deliverer(arrivals, queue, spool, peers)
    stopping = threading.Event()

    def sweep() -> None:
        kept = arrivals.waiting_jobs()
        queue.expire(time.time() - results.keep_seconds, kept)
        spool.sweep(queue.files() | arrivals.waiting_files(), queue.ids)

    tasks: list[tuple[Callable[[], Any], float]] = [
        (lambda: studies.hand_in(results.quiet_seconds, version_of(place.detector)), LOOK_SECONDS),
        (deliverer.deliver, LOOK_SECONDS),
        (sweep, SWEEP_SECONDS),
    ]
    for library in ("pynetdicom", "pydicom", "dicomweb_client"):  # their lines hold identifiers
        logging.getLogger(library).setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="pydicom")
    tempfile.tempdir = str(spool.arriving)  # on the disk of the spool, and swept with it
    port = receiver.start()
    crew = Workers(place, workers)
    crew.start()
    threads = [threading.Thread(target=_again_and_again, args=(*task, stopping), daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    print(f"node: {door.aet}@{door.host}:{port}", flush=True)
    try:
        stopping.wait()
    finally:
        receiver.stop()
        stopping.set()
        for thread in threads:
            thread.join()
        crew.stop()
        arrivals.close()
        queue.close()


def _check_can_flag(place: Place, alpha: float) -> None:
    """Refuse to start with a detector that can flag nothing: its reports would say "not flagged" of everything.

    Raises: CalibrationTooSmall, ModelError.
    """
    assert place.detector is not None
    guarantee(num_groups_of(place.detector), alpha, None)


def _again_and_again(act: Callable[[], Any], seconds: float, stopping: threading.Event) -> None:
    """Whatever keeps one round from being done is said, and does not keep the next one."""
    while not stopping.is_set():
        try:
            act()
        except OddPixelError as error:
            log.warning("%s; trying again", error)
        except Exception as error:  # a thread that ended would be missed by nobody; messages may hold identifiers
            log.warning("%s; trying again", type(error).__name__)
        stopping.wait(seconds)
