"""The inside of the decoders' sandbox: `python -I -m oddpixel.datasets.worker FD`. Decodes the files it receives.

Stored samples go into shared memory; the reader turns them into float32 itself, so the sandbox costs one copy of the narrow
samples and nothing more.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from typing import Any

import numpy as np

from oddpixel.errors import UnreadableInput
from oddpixel.provenance import c2pa_library

from .answering import Answering
from .decoding import Decoding, references
from .formats import Frame
from .header_texts import header_texts
from .limits import SHOTS_FACTOR


class Worker(Answering):
    """Decodes one file at a time."""

    def __init__(self, channel: socket.socket) -> None:
        super().__init__(channel)
        self.decoding: Decoding | None = None

    def prepare(self, setup: dict[str, Any]) -> None:
        """The key of group ids, and the usual decoders."""
        self.key = bytes.fromhex(setup["key"])
        _import_codecs()

    def cpu_seconds(self, request: dict[str, Any]) -> int:
        """More for what decodes a whole film."""
        return self.limits.cpu_seconds * (SHOTS_FACTOR if request["op"] in ("shots", "timeline") else 1)

    def forget(self) -> None:
        """Close the file."""
        self.decoding = None

    def answer(self, request: dict[str, Any], files: list[int]) -> dict[str, Any]:
        """Facts, or samples in shared memory."""
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

    def _open(self, request: dict[str, Any], descriptor: int) -> dict[str, Any]:
        self.decoding = None  # frees the previous file before the next is parsed
        file = os.fdopen(descriptor, "rb")
        self.decoding = Decoding(file, request["name"], self.limits, self.key, any_suffix=request["any_suffix"])
        answer = {
            "header": vars(self.decoding.header),
            "group": self.decoding.group,
            "place": self.decoding.series_place(),
        }
        return answer | ({"frame": self.answered({"op": "frame", "index": 0}, [])} if request["ahead"] else {})

    def _opened(self) -> Decoding:
        if self.decoding is None:
            raise UnreadableInput("no file is open")
        return self.decoding

    def _coefficients(self) -> dict[str, Any]:
        coefficients = self._opened().coefficients()
        if coefficients is None:
            return {"shape": None}
        arena = self.reserve(coefficients.blocks.nbytes)
        np.frombuffer(arena, np.int16, coefficients.blocks.size)[...] = coefficients.blocks.ravel()
        return {"shape": coefficients.blocks.shape, "table": coefficients.table.tolist()}

    def _timeline(self, request: dict[str, Any]) -> dict[str, Any]:
        rows = self._opened().timeline(request["start"], request["count"])
        if rows.size:
            np.frombuffer(self.reserve(rows.nbytes), np.float64, rows.size)[...] = rows.ravel()
        return {"rows": len(rows)}

    def _frame(self, index: int) -> dict[str, Any]:
        return self._share(self._opened().frame(index))

    def _share(self, frame: Frame) -> dict[str, Any]:
        masked = frame.masked
        arena = self.reserve(frame.stored.nbytes + (0 if masked is None else masked.nbytes))
        shared = np.frombuffer(arena, frame.stored.dtype, frame.stored.size).reshape(frame.stored.shape)
        shared[...] = frame.stored
        if masked is not None:
            np.frombuffer(arena, bool, masked.size, frame.stored.nbytes)[...] = masked.ravel()
        record = {name: getattr(frame, name) for name in ("scale", "offset", "bits", "unit", "spacing_mm", "meta")}
        return {"shape": frame.stored.shape, "dtype": frame.stored.dtype.str, "masked": masked is not None, **record}


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
