"""The inside of a confined worker process: it gives up its rights, then answers questions about files until the socket closes.

It gets open files, never paths, and answers with plain facts; what is larger goes into shared memory that its owner made.
`confined` is its outside.
"""

from __future__ import annotations

import errno
import mmap
import os
import socket
from abc import ABC, abstractmethod
from typing import Any

from oddpixel.errors import CorruptFile, DecodingStopped, OddPixelError, UnreadableInput, describe

from .confinement import confine, limit_cpu
from .limits import Limits
from .text import technical_text
from .wire import receive, send


class Answering(ABC):
    """A worker's side of the sandbox."""

    limits: Limits

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.arena: mmap.mmap | None = None

    @abstractmethod
    def prepare(self, setup: dict[str, Any]) -> None:
        """Load what is needed, before the limits bite."""

    @abstractmethod
    def answer(self, request: dict[str, Any], files: list[int]) -> dict[str, Any]:
        """What is asked for. May raise whatever it wants."""

    def cpu_seconds(self, _request: dict[str, Any]) -> int:
        """Processor time for one answer."""
        return self.limits.cpu_seconds

    def forget(self) -> None:  # noqa: B027 -- a default
        """Let go of a file that an answer failed on."""

    def run(self) -> None:
        """Confine the process, then answer requests until the owner closes the socket."""
        setup, _ = receive(self.channel)
        self.limits = Limits(**setup["limits"])
        self.prepare(setup)
        send(self.channel, {"confined": confine(self.limits.memory_bytes)})
        while True:
            try:
                request, files = receive(self.channel)
            except EOFError:
                return
            limit_cpu(self.cpu_seconds(request))
            send(self.channel, self.answered(request, files))

    def answered(self, request: dict[str, Any], files: list[int]) -> dict[str, Any]:
        """The answer, or the typed error in its place."""
        try:
            return self.answer(request, files)
        except MemoryError:
            self.forget()
            return {"error": describe(DecodingStopped("decoding needs more memory than the limit allows"))}
        except OddPixelError as error:
            return {"error": describe(error)}
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a decoder written in Rust panics with one that is no Exception (PyO3)
            self.forget()
            message = technical_text(f"{type(error).__name__}: {error}")
            return {"error": describe(CorruptFile(f"the decoder failed on this file ({message})"))}

    def goes_on(self) -> None:
        """Ask for the time of one more answer, for the next part of a long one."""
        limit_cpu(self.limits.cpu_seconds)
        send(self.channel, {"goes on": True})
        receive(self.channel)

    def reserve(self, size: int) -> mmap.mmap:
        """Shared memory of at least this size, kept from answer to answer; a larger block is requested when it is too small."""
        if self.arena is not None and len(self.arena) >= size:
            return self.arena
        send(self.channel, {"reserve": size})
        answer, (descriptor,) = receive(self.channel)
        try:
            self.arena = mmap.mmap(descriptor, answer["size"])
            return self.arena
        except (OSError, ValueError) as error:
            self.arena = None
            if getattr(error, "errno", None) == errno.ENOMEM:
                raise MemoryError from error
            raise UnreadableInput(f"the pixels could not be transferred: {error}") from error
        finally:
            os.close(descriptor)
