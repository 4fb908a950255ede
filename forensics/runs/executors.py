"""Where shards are scored: in this process, in a pool of processes, on a Dask cluster, or as one rank of many.

    for _ in executor.run(function, specs): ...        # yields as shards are done, in any order

A shard's part file appears whole or not at all, so executors may retry, double or lose work: whatever is missing is done again.
"""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from typing import Any, Protocol, runtime_checkable

from oddpixel.console import log_to_stderr
from oddpixel.counting import counted
from oddpixel.errors import RunError, UsageError

MAX_RESTARTS = 3
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
LARGEST_KEPT, MOST_KEPT = 32 * 2**20, 256 * 2**20  # bytes
Work = Callable[[Any], Any]


@runtime_checkable
class Executor(Protocol):
    """Something that maps a function over shards, wherever the work is done."""

    def run(self, function: Work, specs: Sequence[Any]) -> Iterator[Any]:
        """The results as shards finish, in any order."""
        ...


@dataclass(frozen=True)
class InProcess:
    """Scores shards one after the other in this process."""

    def run(self, function: Work, specs: Sequence[Any]) -> Iterator[Any]:
        """The results in the order of the shards."""
        for spec in specs:
            yield function(spec)


@dataclass(frozen=True)
class Pool:
    """Fresh processes, `num_workers` at a time; a worker that dies costs its shards another try."""

    num_workers: int

    def run(self, function: Work, specs: Sequence[Any]) -> Iterator[Any]:
        """The results as shards finish; a pool whose workers died is started again for the missing shards."""
        waiting = list(range(len(specs)))
        for _ in range(MAX_RESTARTS):
            context = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(
                self.num_workers, context, initializer=_start_worker, initargs=(self.num_workers, _is_heard())
            ) as pool:
                futures = {pool.submit(function, specs[index]): index for index in waiting}
                try:
                    for future in as_completed(futures):
                        answer = future.result()
                        waiting.remove(futures[future])
                        yield answer
                except BrokenProcessPool:
                    continue
            if not waiting:
                return
        raise RunError(
            f"workers died {MAX_RESTARTS} times, {counted(len(waiting), 'shard')} missing; finished shards are kept. "
            "Use fewer --workers if memory is short; the same command goes on"
        )


@dataclass(frozen=True)
class Dask:
    """A Dask cluster by its scheduler's address; `local` starts one here."""

    address: str
    num_workers: int = 2

    def run(self, function: Work, specs: Sequence[Any]) -> Iterator[Any]:
        """The results as the cluster returns them; the client is closed afterwards."""
        try:
            from dask.distributed import Client
            from dask.distributed import as_completed as as_done
        except ImportError as error:
            raise UsageError("Dask is not installed; pip install 'oddpixel[dask]'") from error
        place: dict[str, Any] = (
            {"n_workers": self.num_workers, "threads_per_worker": 1, "dashboard_address": None}
            if self.address == "local"
            else {"address": self.address}
        )
        try:
            client = Client(**place)
        except (OSError, ValueError) as error:
            raise UsageError(f"no Dask scheduler answers at {self.address}: {error}") from error
        with client:
            futures = client.map(partial(_keeping_memory, function), list(specs), retries=MAX_RESTARTS, pure=False)
            for future in as_done(futures):
                yield future.result()


@dataclass(frozen=True)
class Rank:
    """One of `world` equal processes that share nothing but the run folder (torchrun, array jobs): every `world`-th shard."""

    rank: int
    world: int

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise UsageError(f"rank {self.rank} of {self.world}: ranks run from 0 to {self.world - 1}")

    def run(self, function: Work, specs: Sequence[Any]) -> Iterator[Any]:
        """The results of this rank's own shards: every `world`-th one."""
        yield from InProcess().run(function, [spec for spec in specs if spec.shard % self.world == self.rank])


def executor(
    num_workers: int = 1, dask: str | None = None, rank: int | None = None, world: int | None = None
) -> Executor:
    """The executor that the command line names.

    `RANK` and `WORLD_SIZE`, as torchrun sets them, stand in for rank and world.

    Raises: UsageError.
    """
    if dask is not None:
        return Dask(dask, num_workers)
    if rank is None and world is None and "RANK" in os.environ and "WORLD_SIZE" in os.environ:
        try:
            rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        except ValueError as error:
            raise UsageError("RANK and WORLD_SIZE of the environment are no whole numbers") from error
    if rank is not None or world is not None:
        if rank is None or world is None:
            raise UsageError("--rank and --world belong together")
        return Rank(rank, world)
    return InProcess() if num_workers <= 1 else Pool(num_workers)


def _keeping_memory(function: Work, spec: Any) -> Any:
    """Work on a Dask worker, whose allocator Dask tells to give freed memory back at once: with pictures, which need the same
    again and again, half of the time went into page faults."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):  # glibc
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT)
        libc.mallopt(M_TRIM_THRESHOLD, MOST_KEPT)
    return function(spec)


def _is_heard() -> bool:
    """Whether this process tells anybody what OddPixel logs; then its workers do too."""
    handlers = logging.getLogger("oddpixel").handlers
    return any(not isinstance(handler, logging.NullHandler) for handler in handlers)


def _start_worker(num_workers: int, is_heard: bool) -> None:
    import torch

    if is_heard:
        log_to_stderr()

    threading.Thread(target=_end_with_parent, daemon=True, name="oddpixel-parent").start()
    torch.set_num_threads(max((os.cpu_count() or 1) // num_workers, 1))


def _end_with_parent() -> None:
    """End this process once the one that started it is gone, however that ended: nobody would take its results."""
    if (parent := multiprocessing.parent_process()) is not None:
        wait([parent.sentinel])
        os._exit(1)
