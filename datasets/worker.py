"""The inside of the sandbox: `python -I -m oddpixel.datasets.worker FD`. Decodes what it is handed, until told to stop.

It gets open files, never paths, and answers with plain facts; pixels go into shared memory that the parent made.
"""

from __future__ import annotations

import dataclasses
import mmap
import os
import socket
import sys
from typing import Any

import numpy as np

from oddpixel.errors import DecodingStopped, OddPixelError, UnreadableInput, describe

from .confinement import confine, limit_cpu
from .decoding import Decoding
from .limits import Limits
from .wire import receive, send


def main(channel: socket.socket) -> None:
    setup, _ = receive(channel)
    limits, key = Limits(**setup["limits"]), bytes.fromhex(setup["key"])
    _import_codecs()
    send(channel, {"confined": confine(limits.memory_bytes)})
    decoding: Decoding | None = None
    while True:
        try:
            request, files = receive(channel)
        except EOFError:
            return
        limit_cpu(limits.cpu_seconds)
        try:
            if request["op"] == "open":
                decoding = None  # frees the previous file before the next is parsed
                with os.fdopen(files[0], "rb") as file:
                    kept = os.fdopen(os.dup(file.fileno()), "rb")
                decoding = Decoding(kept, request["name"], limits, key, any_suffix=request["any_suffix"])
                send(channel, _facts(decoding))
            elif decoding is not None:
                _answer_frame(channel, decoding, request["index"])
        except MemoryError:
            decoding = None
            send(channel, {"error": describe(DecodingStopped("decoding needs more memory than the limit allows"))})
        except OddPixelError as error:
            send(channel, {"error": describe(error)})


def _facts(decoding: Decoding) -> dict[str, Any]:
    return {
        "header": dataclasses.asdict(decoding.header),
        "group": decoding.group,
        "place": decoding.series_place(),
    }


def _answer_frame(channel: socket.socket, decoding: Decoding, index: int) -> None:
    frame = decoding.frame(index)
    record = {"bits": frame.bits, "unit": frame.unit, "spacing_mm": frame.spacing_mm, "meta": frame.meta}
    send(channel, {"shape": frame.shape, **record})
    _, files = receive(channel)  # shared memory of just that size
    try:
        size = 4 * int(np.prod(frame.shape))
        with mmap.mmap(files[0], size) as memory:
            out = np.frombuffer(memory, np.float32).reshape(frame.shape)
            frame.write(out)
            del out
    except (OSError, ValueError) as error:
        raise UnreadableInput(f"the pixels could not be handed over: {error}") from error
    finally:
        os.close(files[0])
    send(channel, {"done": True})


def _import_codecs() -> None:
    """Load the usual decoders before the limits bite; pydicom, tifffile and OpenCV load when first needed."""
    import PIL.BmpImagePlugin
    import PIL.JpegImagePlugin
    import PIL.PngImagePlugin
    import PIL.WebPImagePlugin  # noqa: F401


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
