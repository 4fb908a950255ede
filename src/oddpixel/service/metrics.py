"""What Prometheus reads: requests, their time, and the queue; no names, no pixels."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from .queue import Queue

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The metrics of one service, in a registry of their own."""

    def __init__(self, queue: Queue) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "oddpixel_requests", "Requests by route and status.", ("route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "oddpixel_request_seconds",
            "Time to the answer, by route.",
            ("route",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.bytes = Counter("oddpixel_received_bytes", "Bytes of files that were sent.", registry=self.registry)
        self.registry.register(_Jobs(queue))

    def text(self) -> bytes:
        """All of them in the exposition format."""
        return generate_latest(self.registry)


class _Jobs(Collector):
    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Jobs that are kept now, by kind and state."""
        family = GaugeMetricFamily("oddpixel_jobs", "Jobs by kind and state.", labels=("kind", "state"))
        for (kind, state), count in self.queue.counts().items():
            family.add_metric((kind, state), count)
        yield family
