"""Delivery: the objects of finished jobs go to every peer in order, each until the peer has taken it.

How far a peer is stands in the database, so that a node that dies goes on where it was; at worst a peer gets an object twice,
which is the same object with the same UID.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from oddpixel.counting import counted
from oddpixel.errors import OddPixelError
from oddpixel.service.queue import Job, Question, Queue, State
from oddpixel.service.spool import Spool

from .arrivals import Arrivals, Delivery
from .peers import Peer

FIRST_WAIT, LONGEST_WAIT = 2.0, 600.0  # seconds until the next try, twice as long after each
MOST_REASONS = 3
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deliverer:
    """Sends what is due."""

    arrivals: Arrivals
    queue: Queue
    spool: Spool
    peers: Mapping[str, Peer]

    def deliver(self) -> int:
        """Send what is due now; how many objects were taken."""
        due = self.arrivals.due()
        done = {job.id: job for job in self.queue.finished_among([delivery.job for delivery in due])}
        failed: list[tuple[Delivery, Job]] = []
        of_peer: dict[str, list[tuple[Delivery, Job]]] = {}
        for delivery in due:
            if (job := done.get(delivery.job)) is None or delivery.peer not in self.peers:
                continue
            (of_peer.setdefault(delivery.peer, []) if job.state == State.DONE else failed).append((delivery, job))
        for delivery, job in failed:
            self._judge_again(delivery, job)
        if not of_peer:
            return 0
        with ThreadPoolExecutor(len(of_peer)) as pool:  # one that does not answer holds up nobody else
            return sum(pool.map(self._send_all, of_peer.values()))

    def _send_all(self, deliveries: Sequence[tuple[Delivery, Job]]) -> int:
        """What one peer is to get, in order."""
        count = 0
        for delivery, job in deliveries:
            names = [str(name) for name in (job.result or {}).get("objects", [])]
            if delivery.attempts == 0 and delivery.sent == 0:
                _tell(job)
            count += self._send(delivery, names)
        return count

    def _judge_again(self, delivery: Delivery, job: Job) -> None:
        """A study that could not be judged is asked about again after a while: acknowledged is kept."""
        if delivery.attempts == 0:
            why = (job.result or {}).get("type", job.state)
            log.warning("a study could not be judged (%s), next try in %.0f s", why, LONGEST_WAIT)
            self.arrivals.failed(delivery, LONGEST_WAIT)
            return
        question = Question(
            client=job.client, kind=job.kind, sha256=job.sha256, name=job.name, options=job.options, version=job.version
        )
        self.arrivals.hand_over(job.id, self.queue.submit(question).id)

    def _send(self, delivery: Delivery, names: list[str]) -> int:
        sent = delivery.sent
        try:
            paths = [self.spool.result(delivery.job, name) for name in names[sent:]]
            for _ in self.peers[delivery.peer].store(paths):
                sent += 1
                self.arrivals.sent(delivery, sent, finished=False)
            self.arrivals.sent(delivery, sent, finished=True)
        except Exception as error:  # one delivery that fails, however, must not hold up the others
            wait = min(FIRST_WAIT * 2 ** min(delivery.attempts, 10), LONGEST_WAIT)
            self.arrivals.failed(delivery, wait)
            # Messages of libraries may hold names.
            why = error if isinstance(error, OddPixelError) else type(error).__name__
            log.warning("a peer did not take its results, next try in %.0f s: %s", wait, why)
        else:
            log.info("results delivered: %s", counted(sent, "object"))
        return sent - delivery.sent


def _tell(job: Job) -> None:
    """Say which images of a study were not judged, and why: nothing of them comes to the archive."""
    items = (job.result or {}).get("items", [])
    flagged = sum(bool(item.get("flagged")) for item in items)
    log.info("a study of %s was judged, %d flagged", counted(len(items), "image"), flagged)
    for warning in (job.result or {}).get("warnings", []):
        log.warning("of this study: %s", warning)
    why = Counter(_why(item["error"]) for item in items if item.get("error"))
    for reason, count in why.most_common(MOST_REASONS):
        log.warning("%d of %d images of a study were not judged: %s", count, len(items), reason)


def _why(error: Mapping[str, Any]) -> str:
    """Messages about pixels are our own words; others may quote the file."""
    return str(error["message"]) if error["type"] == "InvalidImage" else str(error["type"])
