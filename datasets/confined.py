"""A confined worker process as its owner sees it: started on first use, asked one question at a time, replaced when it fails.

Nothing that it says is believed unchecked: it may have been taken over by the file that it was given. `answering` is its inside.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import socket
import subprocess
import sys
import tempfile
from typing import Any, ClassVar

from oddpixel.errors import DecodingStopped, OddPixelError, UnreadableInput, by_name

from .limits import Limits
from .wire import receive, send

INVALID_ANSWER = "the decoder's answer is invalid"
SMALLEST_ARENA = 2**20
START_SECONDS = 60.0  # a worker imports numpy and Pillow first, on a machine that may be busy
LARGEST_PIXEL = 3 * 8 + 1  # bytes: three channels of float64, and whether it is masked
# The environment a worker keeps: how its numerical libraries pick their kernels, and nothing else.
KEPT_ENVIRONMENT = ("LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "SYSTEMROOT")

# One thread each, and freed memory kept for the next image: giving it back to the kernel and faulting it in again made
# decoding a 0.7 MP JPEG half as fast (1,670 page faults an image).
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
}


class ConfinedProcess:
    """One worker process, and the memory that it shares."""

    module: ClassVar[str]  # that is run
    errors: ClassVar[tuple[type[OddPixelError], ...]] = (UnreadableInput,)  # that its answers may carry

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.process: subprocess.Popen[bytes] | None = None
        self.channel: socket.socket | None = None
        self.arena: mmap.mmap | None = None
        self.jobs = 0

    def setup(self) -> dict[str, Any]:
        """What the worker is told before its first question."""
        return {"limits": self.limits.as_json()}

    def start(self) -> dict[str, bool]:
        """Start a fresh worker; returns which of the best-effort confinements it holds."""
        self.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        environment |= WORKER_ENVIRONMENT
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-m", self.module, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        ours.settimeout(START_SECONDS)
        self.channel, self.jobs = ours, 0
        confined: dict[str, bool] = self._ask(self.setup())["confined"]
        ours.settimeout(self.limits.wall_seconds)
        return confined

    def close(self) -> None:
        """Kill the worker and release the memory shared with it."""
        if self.channel is not None:
            self.channel.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = self.channel = self.arena = None

    def _take_job(self) -> None:
        if self.process is None or self.jobs >= self.limits.jobs_per_worker:
            self.start()
        self.jobs += 1

    def _ask(self, message: dict[str, Any], files: tuple[int, ...] = ()) -> dict[str, Any]:
        """One question, one answer; in between the worker may ask for more shared memory, or say that it goes on."""
        assert self.channel is not None, "open a file first"
        try:
            send(self.channel, message, files)
            goes_on = 0
            while "reserve" in (answer := self._receive()) or "goes on" in answer:
                if "reserve" in answer:
                    self._reserve(int(answer["reserve"]))
                elif (goes_on := goes_on + 1) > 2 * self.limits.max_frames:
                    raise ValueError("a worker that never ends")
                else:
                    send(self.channel, {})  # nobody speaks out of turn
        except TimeoutError as error:
            raise self._stopped(f"decoding took longer than {self.limits.wall_seconds:g} s") from error
        except (EOFError, OSError) as error:
            raise self._stopped(self._cause_of_death()) from error
        except (TypeError, ValueError) as error:
            raise self._stopped(INVALID_ANSWER) from error
        return self._checked(answer)

    def _checked(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer, or the typed error it carries. A worker whose memory ran out is replaced: its heap keeps what was freed."""
        if "error" not in answer:
            return answer
        kind = by_name(str(answer["error"].get("type")))
        if kind is DecodingStopped:
            self.close()
        raise (kind if issubclass(kind, self.errors) else UnreadableInput)(str(answer["error"].get("message")))

    def _receive(self) -> dict[str, Any]:
        assert self.channel is not None
        answer, unexpected = receive(self.channel)
        for file in unexpected:
            os.close(file)
        return answer

    def _reserve(self, size: int) -> None:
        """Map `size` bytes of anonymous memory and share them. Rounded up, so that it happens rarely."""
        if not 0 < size <= self.limits.max_pixels * LARGEST_PIXEL:
            raise ValueError(f"shared memory of {size} bytes")
        size = 1 << max(size - 1, SMALLEST_ARENA - 1).bit_length()
        assert self.channel is not None
        with _anonymous_file() as memory:
            os.ftruncate(memory, size)
            self.arena = mmap.mmap(memory, size, prot=mmap.PROT_READ)
            send(self.channel, {"size": size}, (memory,))

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
                return f"the decoder was killed by signal {-code}"
            return f"the decoder exited with code {code}"
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
