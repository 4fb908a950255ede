"""Decoders: in a confined worker process (the default for anything untrusted), or directly in this process.

Both answer the same questions, so nothing above this file knows which one it talks to. A worker that hangs, dies or
talks nonsense is replaced; the file it was given becomes a typed error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, Protocol, get_args, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Float64

from oddpixel.image import Unit

from .coefficients import Coefficients
from .confined import INVALID_ANSWER, ConfinedProcess
from .decoding import Decoding, references
from .formats import Frame, Header
from .header_texts import header_texts
from .limits import SHOTS_FACTOR, Limits
from .video_timeline import WIDTH


@dataclass(frozen=True, eq=False)
class Pixels:
    """One decoded frame in its unit; `valid` is True where the file holds a value, None where it does everywhere."""

    array: Float32[np.ndarray, "c h w"]
    bits: int
    unit: Unit
    spacing_mm: tuple[float, float] | None
    valid: Bool[np.ndarray, "h w"] | None
    meta: dict[str, Any]


@dataclass(frozen=True, eq=False)
class FileFacts:
    """What the header of an open file says: its `Header`, group id, and place in a DICOM series."""

    header: Header
    group: str | None
    place: dict[str, Any] | None


@runtime_checkable
class Decoder(Protocol):
    """Decodes one file at a time: `open`, then `frame` in any order."""

    def open(self, file: BinaryIO, name: str, *, ahead: bool = False) -> FileFacts:
        """Open a file; with `ahead`, frame 0 is read next and may be decoded already. Raises: UnreadableInput."""

    def frame(self, index: int) -> Pixels:
        """Decode one frame. Raises: UnreadableInput."""

    def stored(self, index: int) -> Frame:
        """Decode one frame, as its samples are stored, which is good until the next question. Raises: UnreadableInput."""

    def shots(self) -> list[int] | None:
        """The middle frame of every shot, where the file is a video. Raises: UnreadableInput."""

    def timeline(self, start: int, count: int) -> Float64[np.ndarray, "frames width"]:
        """The rows of a video's frames from `start` on (`video_timeline`), fewer at the end. Raises: UnreadableInput."""

    def tags(self) -> dict[str, str]:
        """What the container of a video says about itself, by name. Raises: UnreadableInput."""

    def as_stored(self) -> Pixels:
        """The first frame before orientation and colour profile are applied. Raises: UnreadableInput."""

    def coefficients(self) -> Coefficients | None:
        """The quantised DCT coefficients of a JPEG; None for any other format. Raises: UnreadableInput."""

    def manifest(self, container: str, anchors: str | None) -> dict[str, Any]:
        """The C2PA manifest, verified offline (`manifests`). Raises: UnreadableInput."""

    def references(self, file: BinaryIO) -> list[list[str]]:
        """The files that a DICOMDIR references, as parts of relative paths. Raises: UnreadableInput."""

    def header_texts(self, file: BinaryIO, keywords: Sequence[str]) -> dict[str, str]:
        """Elements of a DICOM header, by keyword. Raises: UnreadableInput."""

    def close(self) -> None:
        """Release the open file, and the worker where there is one."""


class DirectDecoder:
    """Decodes in this process: for files you made yourself."""

    def __init__(self, limits: Limits, key: bytes, *, any_suffix: bool = False) -> None:
        self.limits, self.key, self.any_suffix = limits, key, any_suffix
        self.decoding: Decoding | None = None

    def open(self, file: BinaryIO, name: str, *, ahead: bool = False) -> FileFacts:
        """Open a file and parse its header."""
        self.decoding = Decoding(file, name, self.limits, self.key, any_suffix=self.any_suffix)
        return FileFacts(self.decoding.header, self.decoding.group, self.decoding.series_place())

    def frame(self, index: int) -> Pixels:
        """Decode one frame."""
        return pixels_of(self.stored(index))

    def stored(self, index: int) -> Frame:
        """Decode one frame, as its samples are stored."""
        assert self.decoding is not None, "open a file first"
        return self.decoding.frame(index)

    def shots(self) -> list[int] | None:
        """The middle frame of every shot of a video; None for other formats."""
        assert self.decoding is not None, "open a file first"
        return self.decoding.shots()

    def timeline(self, start: int, count: int) -> Float64[np.ndarray, "frames width"]:
        """The rows of a video's frames from `start` on."""
        assert self.decoding is not None, "open a file first"
        return self.decoding.timeline(start, count)

    def tags(self) -> dict[str, str]:
        """What the container of a video says about itself, by name."""
        assert self.decoding is not None, "open a file first"
        return self.decoding.tags()

    def as_stored(self) -> Pixels:
        """The first frame before orientation and colour profile are applied."""
        assert self.decoding is not None, "open a file first"
        return pixels_of(self.decoding.as_stored())

    def coefficients(self) -> Coefficients | None:
        """The quantised DCT coefficients of a JPEG; None for any other format."""
        assert self.decoding is not None, "open a file first"
        return self.decoding.coefficients()

    def manifest(self, container: str, anchors: str | None) -> dict[str, Any]:
        """The C2PA manifest, verified offline."""
        assert self.decoding is not None, "open a file first"
        return self.decoding.manifest(container, anchors)

    def references(self, file: BinaryIO) -> list[list[str]]:
        """The files that a DICOMDIR references, as parts of relative paths."""
        return references(file, self.limits)

    def header_texts(self, file: BinaryIO, keywords: Sequence[str]) -> dict[str, str]:
        """Elements of a DICOM header as text, by keyword."""
        return header_texts(file, keywords)

    def close(self) -> None:
        """Forget the open file."""
        self.decoding = None


class SandboxedDecoder(ConfinedProcess):
    """Decodes in a persistent, confined worker process, started on first use and replaced when it fails."""

    module: ClassVar[str] = "oddpixel.datasets.worker"

    def __init__(self, limits: Limits, key: bytes, *, any_suffix: bool = False) -> None:
        super().__init__(limits)
        self.key, self.any_suffix = key, any_suffix
        self.first: dict[str, Any] | None = None

    def setup(self) -> dict[str, Any]:
        """The limits, and the key of group ids."""
        return {**super().setup(), "key": self.key.hex()}

    def open(self, file: BinaryIO, name: str, *, ahead: bool = False) -> FileFacts:
        """Hand the file to the worker, which parses its header, and with `ahead` decodes frame 0."""
        self._take_job()
        request = {"op": "open", "name": name, "any_suffix": self.any_suffix, "ahead": ahead}
        answer = self._ask(request, (file.fileno(),))
        self.first = answer.get("frame")
        try:
            return FileFacts(Header(**answer["header"]), answer["group"], answer["place"])
        except (KeyError, TypeError) as error:
            raise self._stopped(INVALID_ANSWER) from error

    def frame(self, index: int) -> Pixels:
        """Decode one frame in the worker; frame 0 may have come with `open`."""
        return pixels_of(self.stored(index))

    def stored(self, index: int) -> Frame:
        """Decode one frame in the worker, as its samples are stored: in memory that the next question overwrites."""
        answer = self.first if index == 0 else None
        self.first = None
        answer = self._ask({"op": "frame", "index": index}) if answer is None else self._checked(answer)
        try:
            return self._shared_frame(answer)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._stopped(INVALID_ANSWER) from error

    def shots(self) -> list[int] | None:
        """The middle frame of every shot of a video; None for other formats. Waits longer than for a frame."""
        assert self.channel is not None, "open a file first"
        self.channel.settimeout(self.limits.wall_seconds * SHOTS_FACTOR)
        answer = self._ask({"op": "shots"})
        self.channel.settimeout(self.limits.wall_seconds)
        try:
            return None if answer["shots"] is None else [int(index) for index in answer["shots"]]
        except (KeyError, TypeError, ValueError) as error:
            raise self._stopped(INVALID_ANSWER) from error

    def timeline(self, start: int, count: int) -> Float64[np.ndarray, "frames width"]:
        """The rows of a video's frames from `start` on, decoded in the worker. Waits longer than for a frame."""
        assert self.channel is not None, "open a file first"
        self.channel.settimeout(self.limits.wall_seconds * SHOTS_FACTOR)
        answer = self._ask({"op": "timeline", "start": start, "count": count})
        self.channel.settimeout(self.limits.wall_seconds)
        try:
            num_rows = int(answer["rows"])
            if not 0 <= num_rows <= count:
                raise ValueError(f"{num_rows} rows")
            rows = np.frombuffer(self.arena or b"", np.float64, num_rows * WIDTH).reshape(num_rows, WIDTH)
            return rows.copy()
        except (KeyError, TypeError, ValueError) as error:
            raise self._stopped(INVALID_ANSWER) from error

    def tags(self) -> dict[str, str]:
        """What the container of a video says about itself, by name, read in the worker."""
        tags = self._ask({"op": "tags"}).get("tags")
        if not isinstance(tags, dict):
            raise self._stopped(INVALID_ANSWER)
        return {str(name): str(value) for name, value in tags.items()}

    def as_stored(self) -> Pixels:
        """The first frame before orientation and colour profile are applied."""
        answer = self._ask({"op": "as stored"})
        try:
            return pixels_of(self._shared_frame(answer))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._stopped(INVALID_ANSWER) from error

    def coefficients(self) -> Coefficients | None:
        """The quantised DCT coefficients of a JPEG; None for any other format."""
        answer = self._ask({"op": "coefficients"})
        try:
            if answer["shape"] is None:
                return None
            shape = tuple(int(side) for side in answer["shape"])
            if len(shape) != 4 or shape[2:] != (8, 8) or min(shape) < 1:
                raise ValueError(f"coefficients of shape {shape}")
            self.limits.check_size(8 * shape[1] - 7, 8 * shape[0] - 7)
            blocks = np.frombuffer(self.arena or b"", np.int16, math.prod(shape)).reshape(shape)
            return Coefficients(blocks.copy(), np.array(answer["table"], np.uint16).reshape(8, 8))
        except (KeyError, TypeError, ValueError) as error:
            raise self._stopped(INVALID_ANSWER) from error

    def manifest(self, container: str, anchors: str | None) -> dict[str, Any]:
        """The C2PA manifest, verified offline in the worker."""
        answer = self._ask({"op": "manifest", "container": container, "anchors": anchors}).get("manifest")
        if not isinstance(answer, dict):
            raise self._stopped(INVALID_ANSWER)
        return answer

    def references(self, file: BinaryIO) -> list[list[str]]:
        """The files that a DICOMDIR references, as parts of relative paths."""
        self._take_job()
        answer = self._ask({"op": "references"}, (file.fileno(),))
        try:
            return [[str(part) for part in parts] for parts in answer["references"]]
        except (KeyError, TypeError) as error:
            raise self._stopped(INVALID_ANSWER) from error

    def header_texts(self, file: BinaryIO, keywords: Sequence[str]) -> dict[str, str]:
        """Elements of a DICOM header as text, by keyword."""
        self._take_job()
        texts = self._ask({"op": "header texts", "keywords": list(keywords)}, (file.fileno(),)).get("texts")
        if not isinstance(texts, dict):
            raise self._stopped(INVALID_ANSWER)
        return {name: str(texts[name]) for name in keywords if name in texts}

    def _shared_frame(self, answer: dict[str, Any]) -> Frame:
        """The samples in the arena, as the answer describes them; nothing of it is believed unchecked."""
        shape, dtype = tuple(int(side) for side in answer["shape"]), np.dtype(answer["dtype"])
        self.limits.check_size(shape[1], shape[0])
        if dtype.kind not in "uif" or len(shape) not in (2, 3) or min(shape) < 1 or (*shape, 1)[2] not in (1, 3):
            raise ValueError(f"samples of shape {shape} and type {dtype}")
        stored = np.frombuffer(self.arena or b"", dtype, math.prod(shape)).reshape(shape)
        spacing = answer["spacing_mm"] and (float(answer["spacing_mm"][0]), float(answer["spacing_mm"][1]))
        masked = self._shared_mask(stored) if answer["masked"] else None
        return Frame(
            stored=stored,
            scale=float(answer["scale"]),
            offset=float(answer["offset"]),
            bits=int(answer["bits"]),
            unit=answer["unit"] if answer["unit"] in get_args(Unit) else "modality",
            spacing_mm=spacing or None,
            masked=masked,
            meta=dict(answer["meta"]),
        )

    def _shared_mask(self, stored: np.ndarray) -> np.ndarray:
        """The mask, which lies after the samples in the arena; any byte but 0 masks."""
        size = stored.shape[0] * stored.shape[1]
        masked = np.frombuffer(self.arena or b"", np.uint8, size, stored.nbytes).reshape(stored.shape[:2]) != 0
        if masked.all():
            raise ValueError("a frame without a value")
        result: np.ndarray = masked
        return result

    def close(self) -> None:
        """Kill the worker and release the memory shared with it."""
        super().close()
        self.first = None


def pixels_of(frame: Frame) -> Pixels:
    """A frame in its unit."""
    array = np.empty(frame.shape, np.float32)
    frame.write(array)
    valid = None if frame.masked is None else ~frame.masked
    return Pixels(array, frame.bits, frame.unit, frame.spacing_mm, valid, frame.meta)
