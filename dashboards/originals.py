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
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.reading import Shown, read_frame, read_shown
from oddpixel.datasets.sandbox import Decoder
from oddpixel.errors import MissingFile
from oddpixel.forensics.runs.originals import OriginalFiles, changed, recorded_digest
from oddpixel.forensics.runs.rows import Row
from oddpixel.forensics.runs.run import Run
from oddpixel.image import Image, Unreadable, file_and_frame

from .spilled import drop_pages, is_spilled, room

TILE = 512
BAND = 512  # rows
PREVIEW = 1600
AT_ONCE = 3  # pictures that are decoded side by side
CACHED_BYTES = 150_000_000  # of decoded pictures in memory, in all
SPILLED_BYTES = 8_000_000_000  # of those in files
LARGE = 64_000_000  # bytes of samples, with which a decoder does not wait for the next picture


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
    def nbytes(self) -> tuple[int, int]:
        """The bytes that all levels take in memory, and in files."""
        spilled = sum(level.nbytes for level in self.levels if is_spilled(level))
        return sum(level.nbytes for level in self.levels) - spilled, spilled

    def tile(self, level: int, column: int, row: int) -> tuple[bytes, str]:
        """The content and media type of one tile. Raises: MissingFile beyond the picture."""
        if not 0 <= level < len(self.levels) or column < 0 or row < 0:
            raise MissingFile("no such tile")
        part = self.levels[level][row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
        if part.size == 0:
            raise MissingFile("no such tile")
        part = np.array(part, order="C")
        drop_pages(self.levels[level])
        if part.dtype == np.float32:
            return np.ascontiguousarray(part, "<f4").tobytes(), "application/octet-stream"
        from PIL import Image as Pillow

        buffer = io.BytesIO()
        Pillow.fromarray(np.ascontiguousarray(part)).save(buffer, "PNG", compress_level=1)
        return buffer.getvalue(), "image/png"

    def preview(self) -> bytes:
        """The picture in one piece, as a JPEG of at most `PREVIEW` pixels' longer side; values within the file's own window."""
        from PIL import Image as Pillow

        level = next((each for each in self.levels if max(each.shape[:2]) <= PREVIEW), self.levels[-1])
        if level.dtype == np.float32:
            low, high = self.facts["window"]
            share = np.clip((np.nan_to_num(level, nan=low) - low) / (high - low), 0, 1)
            level = np.rint(255 * (1 - share if self.facts["inverted"] else share)).astype(np.uint8)
        buffer = io.BytesIO()
        Pillow.fromarray(np.ascontiguousarray(level)).save(buffer, "JPEG", quality=92)
        return buffer.getvalue()


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
        return self._cached((row.item, row.sha256), lambda: self._shown(row))

    def synthetic(self, path: Path, record: dict[str, Any]) -> Picture:
        """A synthetic picture of a case in the same form, cached.

        Arguments:
            path, record: of a synthetic picture (`synthetic.RECORD`).

        Raises: UnreadableInput.
        """
        key = (str(path), record["picture_sha256"])
        return self._cached(key, lambda: picture_of(self._synthetic(path, record)))

    def _cached(self, key: Key, load: Callable[[], Picture]) -> Picture:
        with self._lock:
            future = self._pictures.get(key)
            if future is None:
                future = self._pictures[key] = self._threads.submit(load)
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
            in_memory, spilled = (sum(sizes) for sizes in zip((0, 0), *ready.values(), strict=True))
            for key in list(ready)[:-1]:
                if in_memory <= CACHED_BYTES and spilled <= SPILLED_BYTES:
                    return
                in_memory, spilled = in_memory - ready[key][0], spilled - ready[key][1]
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
        image = read_frame(*self._asked(row))
        if isinstance(image, Unreadable):
            raise image.error
        _check_recorded(row, image)
        return image

    def _shown(self, row: Row) -> Picture:
        """The original image of a row, from its stored samples where these are what is shown."""
        decoder = self._decoder()
        shown = read_shown(*self._asked(row))
        if isinstance(shown, Unreadable):
            raise shown.error
        _check_recorded(row, shown.about if isinstance(shown, Shown) else shown)
        if not isinstance(shown, Shown):
            return picture_of(shown)
        picture = picture_of(shown.about, shown.samples)
        if shown.samples.nbytes > LARGE:
            decoder.close()  # and with it the memory that it shares
        return picture

    def _asked(self, row: Row) -> tuple[Entry, Decoder, Limits, int | None]:
        entry = self.files.entry(row)
        frame = None if row.item == entry.name else file_and_frame(row.item)[1]
        return entry, self._decoder(), self.files.reader.limits, frame

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


def _check_recorded(row: Row, image: Image) -> None:
    """Raises: UnreadableInput where its bytes are not those that were scored."""
    if image.sha256 != recorded_digest(row):
        raise changed(row.item)


def picture_of(image: Image, samples: np.ndarray | None = None) -> Picture:
    """The levels and facts of an image.

    Arguments:
        samples: what is shown of it, `[h, w]` or `[h, w, c]` uint8; None takes it from the image's pixels.
    """
    values = samples is None and shows_values(image)
    finest = np.nan_to_num(image.pixels[0]) if values else _rgb(_shown(image) if samples is None else samples)
    levels = [finest]
    while max(levels[-1].shape[:2]) > TILE:
        levels.append(_half(levels[-1]))
    facts: dict[str, Any] = {
        "width": finest.shape[1],
        "height": finest.shape[0],
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


def _rgb(samples: np.ndarray) -> np.ndarray:
    """Three channels, in bands."""
    rgb = room((*samples.shape[:2], 3), np.uint8)
    for top in range(0, len(rgb), BAND):
        band = samples[top : top + BAND]
        rgb[top : top + BAND] = band[..., None] if band.ndim == 2 else band[..., :3]
        drop_pages(samples)
        drop_pages(rgb)
    return rgb


def _half(level: np.ndarray) -> np.ndarray:
    """The next level: every pixel the mean of those that it covers. A large one in bands of an even height."""
    height, width = level.shape[:2]
    half = room(((height + 1) // 2, (width + 1) // 2, *level.shape[2:]), level.dtype)
    step = 2 * BAND if is_spilled(level) else height + height % 2
    for top in range(0, height, step):
        band = level[top : top + step]
        size = (half.shape[1], (len(band) + 1) // 2)
        half[top // 2 : top // 2 + size[1]] = cv2.resize(np.asarray(band), size, interpolation=cv2.INTER_AREA)
        drop_pages(level)
        drop_pages(half)
    return half


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
