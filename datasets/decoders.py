"""Decoders kept from one reading to the next: starting a confined worker takes as long as decoding a hundred small images.

A worker dies with the thread that started it (`confinement`), so threads are kept too.
"""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Callable, Hashable

from .sandbox import Decoder


class Decoders:
    """Idle decoders of this process, by what they may do, and threads to use them in. Any thread may take, give and run."""

    def __init__(self) -> None:
        self._idle: dict[Hashable, list[Decoder]] = {}
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._num_threads, self._num_free = 0, 0
        self._lock = threading.Lock()

    def take(self, kind: Hashable, new: Callable[[], Decoder]) -> Decoder:
        """An idle decoder of that kind, or a new one."""
        with self._lock:
            idle = self._idle.get(kind)
            return idle.pop() if idle else new()

    def give(self, kind: Hashable, decoder: Decoder) -> None:
        """Keep a decoder for the next reading."""
        with self._lock:
            self._idle.setdefault(kind, []).append(decoder)

    def run(self, job: Callable[[], None]) -> threading.Event:
        """Do a job in a thread that lives on; the event is set once it is done."""
        done = threading.Event()

        def work() -> None:
            try:
                job()
            finally:
                with self._lock:
                    self._num_free += 1
                done.set()

        with self._lock:
            if self._num_free:
                self._num_free -= 1
            else:
                self._num_threads += 1
                threading.Thread(target=self._serve, daemon=True, name="oddpixel-decode").start()
        self._jobs.put(work)
        return done

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def close(self) -> None:
        """Stop all decoders that are idle, and all threads."""
        with self._lock:
            idle = [decoder for decoders in self._idle.values() for decoder in decoders]
            num_threads, self._num_threads, self._num_free = self._num_threads, 0, 0
            self._idle.clear()
        for decoder in idle:
            decoder.close()
        for _ in range(num_threads):
            self._jobs.put(None)


FROM_SHARD_TO_SHARD = Decoders()  # of this process; whoever runs shards closes them at the end
atexit.register(FROM_SHARD_TO_SHARD.close)
