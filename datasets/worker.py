"""The inside of the sandbox: `python -I -m oddpixel.datasets.worker FD`. Decodes the files it receives, until the socket closes.

It gets open files, never paths, and answers with plain facts. Stored samples go into shared memory that the reader made;
the reader turns them into float32 itself, so the sandbox costs one copy of the narrow samples and nothing more.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import socket
import sys
from typing import Any

import numpy as np

from oddpixel.errors import CorruptFile, DecodingStopped, OddPixelError, UnreadableInput, describe
from oddpixel.provenance import c2pa_library

from .confinement import confine, limit_cpu
from .decoding import Decoding, references
from .formats import Frame
from .header_texts import header_texts
from .limits import SHOTS_FACTOR, Limits
from .text import technical_text
from .wire import receive, send


class Worker:
    """The worker's side of the sandbox: decodes one file at a time and answers over a socket."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.arena: mmap.mmap | None = None
        self.decoding: Decoding | None = None

    def run(self) -> None:
        """Confine the process, then answer requests until the reader closes the socket."""
        setup, _ = receive(self.channel)
        self.limits, self.key = Limits(**setup["limits"]), bytes.fromhex(setup["key"])
        _import_codecs()
        send(self.channel, {"confined": confine(self.limits.memory_bytes)})
        while True:
            try:
                request, files = receive(self.channel)
            except EOFError:
                return
            limit_cpu(self.limits.cpu_seconds * (SHOTS_FACTOR if request["op"] in ("shots", "timeline") else 1))
            send(self.channel, self._answer(request, files))

    def _answer(self, request: dict[str, Any], files: list[int]) -> dict[str, Any]:
        try:
            if request["op"] == "open":
                return self._open(request, files[0])
            if request["op"] == "references":
                with os.fdopen(files[0], "rb") as file:
                    return {"references": references(file, self.limits)}
            if request["op"] == "header texts":
                with os.fdopen(files[0], "rb") as file:
                    return {"texts": header_texts(file, request["keywords"])}
            if request["op"] == "shots":
                return {"shots": None if self.decoding is None else self.decoding.shots()}
            if request["op"] == "tags":
                return {"tags": self._opened().tags()}
            if request["op"] == "timeline":
                return self._timeline(request)
            if request["op"] == "as stored":
                return self._share(self._opened().as_stored())
            if request["op"] == "coefficients":
                return self._coefficients()
            if request["op"] == "manifest":
                return {"manifest": self._opened().manifest(request["container"], request["anchors"])}
            return self._frame(request["index"])
        except MemoryError:
            self.decoding = None
            return {"error": describe(DecodingStopped("decoding needs more memory than the limit allows"))}
        except OddPixelError as error:
            return {"error": describe(error)}
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a decoder written in Rust panics with one that is no Exception (PyO3)
            self.decoding = None
            message = technical_text(f"{type(error).__name__}: {error}")
            return {"error": describe(CorruptFile(f"the decoder failed on this file ({message})"))}

    def _open(self, request: dict[str, Any], descriptor: int) -> dict[str, Any]:
        self.decoding = None  # frees the previous file before the next is parsed
        file = os.fdopen(descriptor, "rb")
        self.decoding = Decoding(file, request["name"], self.limits, self.key, any_suffix=request["any_suffix"])
        answer = {
            "header": vars(self.decoding.header),
            "group": self.decoding.group,
            "place": self.decoding.series_place(),
        }
        return answer | ({"frame": self._answer({"op": "frame", "index": 0}, [])} if request["ahead"] else {})

    def _opened(self) -> Decoding:
        if self.decoding is None:
            raise UnreadableInput("no file is open")
        return self.decoding

    def _coefficients(self) -> dict[str, Any]:
        coefficients = self._opened().coefficients()
        if coefficients is None:
            return {"shape": None}
        arena = self._reserve(coefficients.blocks.nbytes)
        np.frombuffer(arena, np.int16, coefficients.blocks.size)[...] = coefficients.blocks.ravel()
        return {"shape": coefficients.blocks.shape, "table": coefficients.table.tolist()}

    def _timeline(self, request: dict[str, Any]) -> dict[str, Any]:
        rows = self._opened().timeline(request["start"], request["count"])
        if rows.size:
            np.frombuffer(self._reserve(rows.nbytes), np.float64, rows.size)[...] = rows.ravel()
        return {"rows": len(rows)}

    def _frame(self, index: int) -> dict[str, Any]:
        return self._share(self._opened().frame(index))

    def _share(self, frame: Frame) -> dict[str, Any]:
        masked = frame.masked
        arena = self._reserve(frame.stored.nbytes + (0 if masked is None else masked.nbytes))
        shared = np.frombuffer(arena, frame.stored.dtype, frame.stored.size).reshape(frame.stored.shape)
        shared[...] = frame.stored
        if masked is not None:
            np.frombuffer(arena, bool, masked.size, frame.stored.nbytes)[...] = masked.ravel()
        record = {name: getattr(frame, name) for name in ("scale", "offset", "bits", "unit", "spacing_mm", "meta")}
        return {"shape": frame.stored.shape, "dtype": frame.stored.dtype.str, "masked": masked is not None, **record}

    def _reserve(self, size: int) -> mmap.mmap:
        """Shared memory of at least this size, kept from frame to frame; a larger block is requested when it is too small."""
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


def _import_codecs() -> None:
    """Load the usual decoders before the limits bite; pydicom, tifffile and OpenCV load when first needed."""
    import PIL.BmpImagePlugin
    import PIL.JpegImagePlugin
    import PIL.PngImagePlugin
    import PIL.WebPImagePlugin  # noqa: F401

    with contextlib.suppress(ImportError):
        c2pa_library()


if __name__ == "__main__":
    Worker(socket.socket(fileno=int(sys.argv[1]))).run()
