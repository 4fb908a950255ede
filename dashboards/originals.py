"""The images of a run as they were scored, opened again from where they came, and cut into tiles for the viewer.

An original is shown only if its bytes still have the SHA-256 that was recorded. Photographs are shown in their own 8-bit values
(lossless PNG); scanner images as float32 values in their own unit, so that window and level are the viewer's. Level 0 has all
pixels, each further one half of them. A synthetic picture of a case is cut the same way, in the original's unit.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from oddpixel.datasets.entry import Entry
from oddpixel.datasets.reading import read_frame
from oddpixel.datasets.sandbox import Decoder
from oddpixel.errors import MissingFile
from oddpixel.forensics.runs.originals import OriginalFiles, changed, recorded_digest
from oddpixel.forensics.runs.rows import Row
from oddpixel.forensics.runs.run import Run
from oddpixel.image import Image, Unreadable, file_and_frame

TILE = 512
BAND = 512  # rows
AT_ONCE = 3  # pictures that are decoded side by side
CACHED_BYTES = 1_500_000_000  # of decoded pictures, in all


Key = tuple[str, str | None]


@dataclass(frozen=True, eq=False)
class Picture:
    """One image as a pyramid of levels, ready to be cut into tiles.

    Arguments:
        levels: `[h, w, 3]` uint8 as shown, or `[h, w]` float32 in the image's unit.
        facts: what the viewer shows beside it.
    """

    levels: list[np.ndarray]
    facts: dict[str, Any]

    @property
    def nbytes(self) -> int:
        """The memory that all levels take, in bytes."""
        return sum(level.nbytes for level in self.levels)

    def tile(self, level: int, column: int, row: int) -> tuple[bytes, str]:
        """The content and media type of one tile. Raises: MissingFile beyond the picture."""
        if not 0 <= level < len(self.levels) or column < 0 or row < 0:
            raise MissingFile("no such tile")
        part = self.levels[level][row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
        if part.size == 0:
            raise MissingFile("no such tile")
        if part.dtype == np.float32:
            return np.ascontiguousarray(part, "<f4").tobytes(), "application/octet-stream"
        from PIL import Image as Pillow

        buffer = io.BytesIO()
        Pillow.fromarray(np.ascontiguousarray(part)).save(buffer, "PNG", compress_level=1)
        return buffer.getvalue(), "image/png"


class Originals:
    """The original images of one run.

    Several threads may ask. Pictures are decoded by threads of their own, each with its decoder, whose process dies with the
    thread that started it (the server's threads come and go): a huge picture holds up nobody who asks for another one.

    Arguments:
        roots: the folders that may be read.
    """

    def __init__(self, run: Run, roots: Sequence[Path] = ()) -> None:
        self.files = OriginalFiles(run, roots)
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(AT_ONCE, "oddpixel-originals")
        self._pictures: OrderedDict[Key, Future[Picture]] = OrderedDict()
        self._of_thread = threading.local()
        self._decoders: list[Decoder] = []

    def picture(self, row: Row) -> Picture:
        """The original image of a row as a picture, cached.

        Arguments:
            row: of the run's table.

        Raises: UnreadableInput.
        """
        return self._cached((row.item, row.sha256), lambda: self.image(row))

    def synthetic(self, path: Path, record: dict[str, Any]) -> Picture:
        """A synthetic picture of a case in the same form, cached.

        Arguments:
            path, record: of a synthetic picture (`synthetic.RECORD`).

        Raises: UnreadableInput.
        """
        return self._cached((str(path), record["picture_sha256"]), lambda: self._synthetic(path, record))

    def _cached(self, key: Key, load: Callable[[], Image]) -> Picture:
        with self._lock:
            future = self._pictures.get(key)
            if future is None:
                future = self._pictures[key] = self._threads.submit(lambda: picture_of(load()))
            self._pictures.move_to_end(key)
        try:
            picture = future.result()
        except BaseException:
            with self._lock:  # whoever asks next tries again
                if self._pictures.get(key) is future:
                    del self._pictures[key]
            raise
        self._make_room()
        return picture

    def _make_room(self) -> None:
        """Forget pictures that nobody has asked for since, as far as all take too much."""
        with self._lock:
            ready = {
                key: each.result().nbytes
                for key, each in self._pictures.items()
                if each.done() and not each.exception()
            }
            total = sum(ready.values())
            for key in list(ready)[:-1]:
                if total <= CACHED_BYTES:
                    return
                total -= ready[key]
                del self._pictures[key]

    def close(self) -> None:
        """Stop the decoders and drop all cached pictures."""
        self._threads.shutdown(cancel_futures=True)
        for decoder in self._decoders:
            decoder.close()
        self._decoders.clear()
        self._pictures.clear()

    def _decoder(self) -> Decoder:
        """The decoder of this thread."""
        if not hasattr(self._of_thread, "decoder"):
            self._of_thread.decoder = self.files.reader.decoder()
            with self._lock:
                self._decoders.append(self._of_thread.decoder)
        decoder: Decoder = self._of_thread.decoder
        return decoder

    def image(self, row: Row) -> Image:
        """The original image as it was scored. Raises: UnreadableInput."""
        digest, entry, reader = recorded_digest(row), self.files.entry(row), self.files.reader
        frame = None if row.item == entry.name else file_and_frame(row.item)[1]
        image = read_frame(entry, self._decoder(), reader.limits, frame)
        if isinstance(image, Unreadable):
            raise image.error
        if image.sha256 != digest:
            raise changed(row.item)
        return image

    def _synthetic(self, path: Path, record: dict[str, Any]) -> Image:
        image = read_frame(Entry(name=path.name, path=path), self._decoder(), self.files.reader.limits, None)
        if isinstance(image, Unreadable):
            raise image.error
        if image.sha256 != record["picture_sha256"]:
            raise MissingFile(f"{path.name} is no longer the picture that was made: its SHA-256 differs")
        if record["window"] is None:
            return image
        low, high = record["window"]
        values = low + image.pixels[:1] * np.float32(high - low)
        return replace(image, pixels=values.astype(np.float32), unit=record["unit"])


def picture_of(image: Image) -> Picture:
    """The levels and facts of an image."""
    values = shows_values(image)
    if values:
        finest = np.nan_to_num(image.pixels[0])
    else:
        shown = _shown(image)
        finest = np.ascontiguousarray(shown.repeat(3, 2) if shown.shape[2] == 1 else shown[..., :3])
    levels = [finest]
    while max(levels[-1].shape[:2]) > TILE:
        height, width = levels[-1].shape[:2]
        half = (max((width + 1) // 2, 1), max((height + 1) // 2, 1))
        levels.append(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA))
    facts: dict[str, Any] = {
        "width": image.pixels.shape[2],
        "height": image.pixels.shape[1],
        "kind": "values" if values else "picture",
        "unit": image.unit,
        "bits": image.bits,
        "levels": len(levels),
        "tile": TILE,
        "spacing_mm": image.spacing_mm,
        "orientation": image.meta.get("orientation"),
        "meta": {
            name: value for name, value in image.meta.items() if name not in ("display", "orientation", "mask", "label")
        },
    }
    if values:
        facts |= {"window": list(window_of(image)), "inverted": _is_inverted(image)}
    return Picture(levels, facts)


def shows_values(image: Image) -> bool:
    """Whether the viewer gets values in the image's unit, with window and level, and no picture."""
    return image.unit != "display" and image.pixels.shape[0] == 1


def _shown(image: Image) -> np.ndarray:
    """As `to_display`, in bands: what it takes beside the result does not grow with the image."""
    if image.unit != "display":
        return image.to_display()
    height = image.pixels.shape[1]
    bands = [replace(image, pixels=image.pixels[:, top : top + BAND]) for top in range(0, height, BAND)]
    return np.concatenate([band.to_display() for band in bands])


def window_of(image: Image) -> tuple[float, float]:
    """The values where the shown range begins and ends, by the file's own window or by percentiles."""
    knots = image.meta.get("display")
    if knots is not None:
        low, high = float(min(knots["value"])), float(max(knots["value"]))
    else:
        low, high = (float(value) for value in np.nanpercentile(image.values(), (0.5, 99.5)))
    return low, max(high, low + 1e-6)


def _is_inverted(image: Image) -> bool:
    """Whether dark is high."""
    knots = image.meta.get("display")
    return knots is not None and knots["grey"][0] > knots["grey"][-1]
