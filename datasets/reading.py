"""Entries -> images, in order, decoded ahead by several workers, with flat memory.

One thread per decoder takes the next entry, and puts its frames into that entry's own short queue; the reader drains
the queues in the order of the entries. So at most `2 * num_workers` decoded frames wait at any time, however long the
source or the file.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO, TypeVar

import numpy as np

from oddpixel.border import typed
from oddpixel.errors import CorruptFile, DecodingStopped, Defect, NotEnoughMemory, OddPixelError, UnreadableInput
from oddpixel.image import Image, Unreadable

from .decoders import Decoders
from .entry import Entry
from .formats import Frame
from .limits import Limits
from .pairs import open_whole
from .sandbox import Decoder, DirectDecoder, FileFacts, Pixels, SandboxedDecoder, pixels_of
from .series_words import series_notes

# Frames of one file that may each cost a worker before the file is given up.
MAX_RESTARTS = 3
DECODER_LOST = (DecodingStopped, Defect, NotEnoughMemory)


@dataclass(frozen=True)
class Reader:
    """How files are read: caps, workers, the key for group ids, and which frames of a file are wanted.

    Arguments:
        every: of a file with several frames, only every so many-th.
        by_shot: of a video, the middle frame of every shot; other files are read as ever.
        follow_links: whether listing a folder walks folders that links in it lead to.
        kept: where decoders wait for the next reading; None starts new ones for each.
    """

    limits: Limits
    key: bytes
    num_workers: int = 2
    sandboxed: bool = True
    any_suffix: bool = False
    every: int = 1
    by_shot: bool = False
    follow_links: bool = False
    kept: Decoders | None = field(default=None, repr=False, compare=False)

    def decoder(self) -> Decoder:
        """A new decoder with this reader's limits: sandboxed, or in this process."""
        kind = SandboxedDecoder if self.sandboxed else DirectDecoder
        return kind(self.limits, self.key, any_suffix=self.any_suffix)

    @contextlib.contextmanager
    def lent_decoder(self) -> Iterator[Decoder]:
        """A decoder for one thread: kept for the next reading, or closed."""
        kind = self.limits, self.key, self.any_suffix, self.sandboxed
        decoder = self.decoder() if self.kept is None else self.kept.take(kind, self.decoder)
        try:
            yield decoder
        except BaseException:
            decoder.close()
            raise
        if self.kept is None:
            decoder.close()
        else:
            self.kept.give(kind, decoder)

    def read(self, entries: Sequence[Entry]) -> Iterator[Image | Unreadable]:
        """Yield every image of every entry, in order; an `Unreadable` where one cannot be read."""
        return _in_order(entries, self, partial(read_entry, every=self.every, by_shot=self.by_shot))

    def facts(self, entries: Sequence[Entry]) -> Iterator[FileFacts | OddPixelError]:
        """Yield what the header of each entry says, or its error, in order."""
        return _in_order(entries, self, _read_facts)


def read_entry(
    entry: Entry, decoder: Decoder, limits: Limits, *, every: int = 1, by_shot: bool = False
) -> Iterator[Image | Unreadable]:
    """Yield the images of one file. A frame that cannot be read is one `Unreadable`; the others are still read."""
    sha256, group = None, entry.group or entry.name
    try:
        with open_whole(entry, limits) as file:
            limits.check_bytes(size := _size(file))
            sha256 = _digest(file)
            facts = decoder.open(file, entry.member or entry.path.name, ahead=True)
            group = entry.group or facts.group or entry.name
            restarts = 0
            for index in (decoder.shots() if by_shot else None) or range(0, facts.header.frames, every):
                image = _read_frame(entry, decoder, facts, index, sha256, group, size)
                yield image
                if isinstance(image, Unreadable) and isinstance(image.error, DECODER_LOST):
                    # The worker went down with this frame; the file's other frames need a new one.
                    if (restarts := restarts + 1) > MAX_RESTARTS:
                        raise DecodingStopped(
                            f"{restarts} frames stopped the decoder; the rest of the file is not read"
                        )
                    file.seek(0)
                    decoder.open(file, entry.member or entry.path.name)
    except BaseException as error:
        yield Unreadable(entry.name, sha256, group, _reading_error(error, decoder))


@dataclass(frozen=True, eq=False)
class Shown:
    """An image whose samples are what is shown: 8 bits, without float32 values that take four times as much.

    Arguments:
        samples: `[h, w]` or `[h, w, c]` uint8, good until the decoder is asked again.
        about: the image without pixels.
    """

    samples: np.ndarray
    about: Image


def read_frame(entry: Entry, decoder: Decoder, limits: Limits, frame: int | None) -> Image | Unreadable:
    """Read one image of a file: the frame of this number, or the only one."""
    read = _read_one(entry, decoder, limits, frame, as_shown=False)
    assert not isinstance(read, Shown)
    return read


def read_shown(entry: Entry, decoder: Decoder, limits: Limits, frame: int | None) -> Shown | Image | Unreadable:
    """As `read_frame`, but where the stored samples are what is shown, those, and no float32 values."""
    return _read_one(entry, decoder, limits, frame, as_shown=True)


def _read_one(
    entry: Entry, decoder: Decoder, limits: Limits, frame: int | None, *, as_shown: bool
) -> Shown | Image | Unreadable:
    try:
        with open_whole(entry, limits) as file:
            limits.check_bytes(size := _size(file))
            sha256 = _digest(file)
            facts = decoder.open(file, entry.member or entry.path.name)
            index = frame or 0
            if not 0 <= index < facts.header.frames:
                raise CorruptFile(f"the file has no frame {frame}; it has {facts.header.frames}, counted from 0")
            source = entry.name if facts.header.frames == 1 else f"{entry.name}#{index}"
            group = entry.group or facts.group or entry.name
            stored = decoder.stored(index)
            if not (as_shown and _is_shown(stored)):
                return _image(entry, pixels_of(stored), facts, index, source, sha256, group, size)
            nothing = np.empty((0, 0, 0), np.float32)
            without = Pixels(nothing, stored.bits, stored.unit, stored.spacing_mm, None, stored.meta)
            return Shown(stored.stored, _image(entry, without, facts, index, source, sha256, group, size))
    except BaseException as error:
        return Unreadable(entry.name, None, entry.group or entry.name, _reading_error(error, decoder))


def _is_shown(frame: Frame) -> bool:
    """Whether `to_display` would give back the stored samples."""
    is_plain = frame.stored.dtype == np.uint8 and frame.unit == "display" and "display" not in frame.meta
    return is_plain and frame.masked is None and frame.offset == 0 and abs(frame.scale * 255 - 1) < 1e-6


def _read_frame(
    entry: Entry, decoder: Decoder, facts: FileFacts, index: int, sha256: str, group: str, size: int
) -> Image | Unreadable:
    source = entry.name if facts.header.frames == 1 else f"{entry.name}#{index}"
    try:
        return _image(entry, decoder.frame(index), facts, index, source, sha256, group, size)
    except BaseException as error:
        if facts.header.frames == 1:
            raise
        return Unreadable(source, sha256, group, _reading_error(error, decoder))


def _image(
    entry: Entry, pixels: Pixels, facts: FileFacts, index: int, source: str, sha256: str, group: str, size: int
) -> Image:
    meta = {"format": facts.header.format, "bytes": size, **facts.header.meta, **pixels.meta}
    about_series = series_notes(entry.series or {})
    if notes := [*facts.header.meta.get("notes", []), *pixels.meta.get("notes", []), *about_series]:
        meta["notes"] = notes
    if facts.header.frames > 1:
        meta |= {"frame": index, "frames": facts.header.frames}
    for name, value in (("label", entry.label), ("mask", entry.mask), ("role", entry.role), ("series", entry.series)):
        if value is not None:
            meta[name] = value
    return Image(
        pixels.array, pixels.bits, pixels.unit, pixels.spacing_mm, source, sha256, group, meta, pixels.valid
    )  # fmt: skip


def _read_facts(entry: Entry, decoder: Decoder, limits: Limits) -> Iterator[FileFacts | OddPixelError]:
    try:
        with open_whole(entry, limits) as file:
            facts: FileFacts | OddPixelError = decoder.open(file, entry.member or entry.path.name)
    except BaseException as error:
        facts = _reading_error(error, decoder)
    yield facts


def _reading_error(error: BaseException, decoder: Decoder) -> OddPixelError:
    """Why an entry has no image. A decoder that failed in a way of its own may answer the wrong question next: it is closed."""
    if isinstance(error, UnreadableInput):
        return error
    if isinstance(error, OSError):
        return CorruptFile(f"cannot be read: {error}")
    typed_error = typed(error)
    decoder.close()
    return typed_error


def _size(file: BinaryIO) -> int:
    size = file.seek(0, 2)
    file.seek(0)
    return size


def _digest(file: Any) -> str:
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0)
    return digest


END = object()


@dataclass(frozen=True)
class _Failure:
    """Raised where the reader stands: it is about no entry."""

    error: BaseException


Answer = TypeVar("Answer")


def _wait_for(done: threading.Event) -> None:
    """Wait for a thread's work to end; no thread runs any more once the interpreter itself ends, so nothing does then."""
    while not done.wait(0.1) and not sys.is_finalizing():
        pass


def _in_order(entries: Sequence[Entry], reader: Reader, produce: Callable[..., Iterator[Answer]]) -> Iterator[Answer]:
    """Run `produce(entry, decoder, limits)` over several decoders; its answers in the order of the entries."""
    num_workers = max(1, min(reader.num_workers, len(entries)))
    window = threading.Semaphore(num_workers + 1)  # entries begun but not yet drained
    boxes: list[queue.Queue[Any]] = [queue.Queue(maxsize=2) for _ in range(num_workers + 2)]
    todo = iter(range(len(entries)))
    lock, stop = threading.Lock(), threading.Event()

    def put(box: queue.Queue[Any], answer: Any) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                box.put(answer, timeout=0.1)
                return

    def work() -> None:
        with reader.lent_decoder() as decoder:
            while not stop.is_set():
                window.acquire()
                with lock:
                    index = next(todo, None)
                if index is None or stop.is_set():
                    window.release()
                    return
                box = boxes[index % len(boxes)]
                try:
                    for answer in produce(entries[index], decoder, reader.limits):
                        put(box, answer)
                        if stop.is_set():
                            return
                    put(box, END)
                except BaseException as error:
                    decoder.close()
                    put(box, _Failure(error))
                    return

    kept = reader.kept or Decoders()
    working = [kept.run(work) for _ in range(num_workers)]
    try:
        for index in range(len(entries)):
            box = boxes[index % len(boxes)]
            while (answer := box.get()) is not END:
                if isinstance(answer, _Failure):
                    raise answer.error
                yield answer
            window.release()
    finally:
        stop.set()
        for _ in working:
            window.release()
        for done in working:
            _wait_for(done)
        if reader.kept is None:
            kept.close()
