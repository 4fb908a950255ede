"""Tiles, or images, on all threads at once: each on one, which beats each operation on all of them where these are small."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_parallel(work: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
    """The results in order, on as many threads as PyTorch has; no more than two a thread are held at once.

    What `work` raises is raised in its turn.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        yield from map(work, jobs)
        return

    def alone(job: Job) -> Result:
        with torch.no_grad():  # each thread has its own
            return work(job)

    waiting = iter(jobs)
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            running = [pool.submit(alone, job) for job in islice(waiting, 2 * threads)]
            while running:
                yield running.pop(0).result()
                running += [pool.submit(alone, job) for job in islice(waiting, 1)]
    finally:
        torch.set_num_threads(threads)  # what a new thread would begin with
