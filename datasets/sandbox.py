"""Decoders: in a confined worker process (the default for anything untrusted), or directly in this process.

Both answer the same questions, so nothing above this file knows which one it talks to. A worker that hangs, dies or
talks nonsense is replaced; the file it was given becomes a typed error.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import numpy as np
from jaxtyping import Float32

from oddpixel.errors import DecodingStopped, UnreadableInput, by_name
from oddpixel.image import Unit

from .decoding import Decoding
from .formats import Header
from .limits import Limits
from .wire import receive, send

# The environment a worker keeps: how its numerical libraries pick their kernels, and nothing else.
KEPT_ENVIRONMENT = ("LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "SYSTEMROOT")


@dataclass(frozen=True, eq=False)
class Pixels:
    """One decoded frame, in its unit."""

    array: Float32[np.ndarray, "c h w"]
    bits: int
    unit: Unit
    spacing_mm: tuple[float, float] | None
    meta: dict[str, Any]


@dataclass(frozen=True, eq=False)
class FileFacts:
    """What is known of a file once it is open."""

    header: Header
    group: str | None
    place: dict[str, Any] | None


class Decoder(Protocol):
    """Decodes one file at a time: `open`, then `frame` in any order."""

    def open(self, file: BinaryIO, name: str) -> FileFacts:
        """Raises: UnreadableInput."""

    def frame(self, index: int) -> Pixels:
        """Raises: UnreadableInput."""

    def close(self) -> None: ...


class DirectDecoder:
    """Decodes in this process: for files you made yourself."""

    def __init__(self, limits: Limits, key: bytes, *, any_suffix: bool = False) -> None:
        self.limits, self.key, self.any_suffix = limits, key, any_suffix
        self.decoding: Decoding | None = None

    def open(self, file: BinaryIO, name: str) -> FileFacts:
        self.decoding = Decoding(file, name, self.limits, self.key, any_suffix=self.any_suffix)
        return FileFacts(self.decoding.header, self.decoding.group, self.decoding.series_place())

    def frame(self, index: int) -> Pixels:
        assert self.decoding is not None, "open a file first"
        frame = self.decoding.frame(index)
        array = np.empty(frame.shape, np.float32)
        frame.write(array)
        return Pixels(array, frame.bits, frame.unit, frame.spacing_mm, frame.meta)

    def close(self) -> None:
        self.decoding = None


class SandboxedDecoder:
    """Decodes in a persistent, confined worker process, started on first use and replaced when it fails."""

    def __init__(self, limits: Limits, key: bytes, *, any_suffix: bool = False) -> None:
        self.limits, self.key, self.any_suffix = limits, key, any_suffix
        self.process: subprocess.Popen[bytes] | None = None
        self.channel: socket.socket | None = None
        self.jobs = 0

    def open(self, file: BinaryIO, name: str) -> FileFacts:
        if self.process is None or self.jobs >= self.limits.jobs_per_worker:
            self.start()
        self.jobs += 1
        answer = self._ask({"op": "open", "name": name, "any_suffix": self.any_suffix}, (file.fileno(),))
        try:
            return FileFacts(Header(**answer["header"]), answer["group"], answer["place"])
        except (KeyError, TypeError) as error:
            raise self._stopped("the decoder answered nonsense") from error

    def frame(self, index: int) -> Pixels:
        answer = self._ask({"op": "frame", "index": index})
        try:
            channels, height, width = (int(side) for side in answer["shape"])
            self.limits.check_size(width, height)
            if channels not in (1, 3) or min(height, width) < 1:
                raise ValueError(answer["shape"])
            spacing = answer["spacing_mm"] and (float(answer["spacing_mm"][0]), float(answer["spacing_mm"][1]))
            record = (int(answer["bits"]), answer["unit"], spacing or None, dict(answer["meta"]))
        except (KeyError, TypeError, ValueError) as error:
            raise self._stopped("the decoder answered nonsense") from error
        return Pixels(self._receive_pixels((channels, height, width)), *record)

    def close(self) -> None:
        if self.channel is not None:
            self.channel.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = self.channel = None

    def start(self) -> dict[str, bool]:
        """Start a fresh worker; which of the best-effort confinements held."""
        self.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-m", "oddpixel.datasets.worker", str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        ours.settimeout(self.limits.wall_seconds)
        self.channel, self.jobs = ours, 0
        held: dict[str, bool] = self._ask({"limits": self.limits.as_json(), "key": self.key.hex()})["confined"]
        return held

    def _ask(self, message: dict[str, Any], files: tuple[int, ...] = ()) -> dict[str, Any]:
        assert self.channel is not None, "open a file first"
        try:
            send(self.channel, message, files)
            answer, unexpected = receive(self.channel)
        except TimeoutError as error:
            raise self._stopped(f"decoding took longer than {self.limits.wall_seconds:g} s") from error
        except (EOFError, OSError) as error:
            raise self._stopped(self._cause_of_death()) from error
        except ValueError as error:
            raise self._stopped("the decoder answered nonsense") from error
        for file in unexpected:
            os.close(file)
        if "error" in answer:
            kind = by_name(str(answer["error"].get("type")))
            raise (kind if issubclass(kind, UnreadableInput) else UnreadableInput)(str(answer["error"].get("message")))
        return answer

    def _receive_pixels(self, shape: tuple[int, int, int]) -> np.ndarray:
        """Hand the worker shared memory of the right size; it is freed with the array."""
        size = 4 * int(np.prod(shape))
        with _anonymous_file() as memory:
            os.ftruncate(memory, size)
            self._ask({"op": "write"}, (memory,))
            flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
            mapped = mmap.mmap(memory, size, flags=flags, prot=mmap.PROT_READ)
        return np.frombuffer(mapped, np.float32).reshape(shape)

    def _stopped(self, reason: str) -> DecodingStopped:
        self.close()
        return DecodingStopped(f"{reason}; the worker was replaced")

    def _cause_of_death(self) -> str:
        assert self.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self.process.wait(timeout=5)
            if code == -24:
                return f"decoding used more than {self.limits.cpu_seconds} s of processor time"
            if code < 0:
                return f"the decoder died of signal {-code}"
            return f"the decoder ended with code {code}"
        return "the decoder stopped answering"


@contextlib.contextmanager
def _anonymous_file() -> Any:
    if hasattr(os, "memfd_create"):
        memory = os.memfd_create("pixels", os.MFD_CLOEXEC)
        try:
            yield memory
        finally:
            os.close(memory)
    else:
        with tempfile.TemporaryFile() as file:
            yield file.fileno()
