"""Decoding of an open file to frames, in this process. The sandbox runs exactly this on the other side of a socket.

Foreign exceptions end here: whatever a decoder raises on hostile bytes becomes one typed error.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import PurePosixPath
from typing import Any, BinaryIO

import numpy as np

from oddpixel.errors import (
    CorruptFile,
    DecodingStopped,
    OddPixelError,
    TooLarge,
    UnreadableInput,
    UnsupportedEncoding,
    UnsupportedFormat,
)

from .coefficients import Coefficients, read_coefficients
from .formats import Format, Frame, Header, Opened, formats, known_suffixes, promised_format
from .limits import Limits
from .manifests import read_manifest
from .masking import without_values_masked
from .precision import rounding_noted
from .text import technical_text

LONGEST_REASON = 400  # characters of what a decoder says
GET_ANOTHER = "get an undamaged copy of the file"


class Decoding:
    """One file being decoded.

    Arguments:
        file: open for reading, at its beginning.
        name: only its suffix is used, to refuse a file that lies about its content.
        key: hashes what names a patient.
        any_suffix: take the content as it is, whatever the name says.

    Raises: UnreadableInput.
    """

    def __init__(self, file: BinaryIO, name: str, limits: Limits, key: bytes, *, any_suffix: bool = False) -> None:
        self.limits, self.key, self.file = limits, key, file
        limits.check_bytes(os.fstat(file.fileno()).st_size)
        with _typed_errors():
            head = file.read(512)
            file.seek(0)
            self.format_name, kind = identify(head, name, any_suffix=any_suffix)
            self.opened: Opened = kind.open(file, limits)
        self.header: Header = self.opened.header

    def frame(self, index: int) -> Frame:
        """Decode one frame. Raises: UnreadableInput."""
        with _typed_errors():
            return self._checked(self.opened.frame(index))

    def as_stored(self) -> Frame:
        """The first frame before orientation and colour profile are applied. Raises: UnreadableInput."""
        find = getattr(self.opened, "as_stored", None)
        if find is None:
            return self.frame(0)
        with _typed_errors():
            return self._checked(find())

    def _checked(self, frame: Frame) -> Frame:
        channels, height, width = frame.shape
        self.limits.check_size(width, height)
        if frame.stored.dtype.kind not in "uif":
            raise UnsupportedEncoding(
                f"samples of type {frame.stored.dtype} are not supported; integers and floating-point numbers are"
            )
        if channels not in (1, 3):
            raise UnsupportedEncoding(f"{channels} samples per pixel are not supported; 1 or 3 are")
        return rounding_noted(without_values_masked(frame))

    def coefficients(self) -> Coefficients | None:
        """The quantised DCT coefficients of a JPEG; None for any other format. Raises: UnreadableInput."""
        if self.format_name != "JPEG":
            return None
        with _typed_errors():
            return read_coefficients(self.file, self.limits)

    def manifest(self, container: str, anchors: str | None) -> dict[str, Any]:
        """The file's C2PA manifest, verified offline against these anchors (PEM)."""
        return read_manifest(self.file, container, anchors)

    @property
    def group(self) -> str | None:
        """Keyed hash of the patient or study, or None where the file names neither."""
        with _typed_errors():
            identity = self.opened.identity
        return None if identity is None else keyed_hash(self.key, identity)

    def shots(self) -> list[int] | None:
        """The middle frame of every shot of a video; None for a format that has no shots."""
        find = getattr(self.opened, "shots", None)
        if find is None:
            return None
        with _typed_errors():
            frames: list[int] = find()
        return frames

    def timeline(self, start: int, count: int) -> np.ndarray:
        """The rows of a video's frames (`video_timeline`). Raises: UnreadableInput, also for what is no video."""
        find = getattr(self.opened, "timeline", None)
        if find is None:
            raise UnsupportedFormat(f"{self.format_name} has no time line; videos have")
        with _typed_errors():
            rows: np.ndarray = find(start, count)
        return rows

    def tags(self) -> dict[str, str]:
        """What the container of a video says about itself, by name; nothing for other formats. Raises: UnreadableInput."""
        find = getattr(self.opened, "tags", None)
        if find is None:
            return {}
        with _typed_errors():
            tags: dict[str, str] = find()
        return tags

    def series_place(self) -> dict[str, Any] | None:
        """The slice's place in its series, which is named by its keyed hash; None for other files."""
        find = getattr(self.opened, "series_place", None)
        if find is None:
            return None
        with _typed_errors():
            place: dict[str, Any] | None = find()
        return place and place | {"series": keyed_hash(self.key, place["series"])}


def references(file: BinaryIO, limits: Limits) -> list[list[str]]:
    """The files that a DICOMDIR references, each as the parts of a relative path. Raises: UnreadableInput."""
    from .formats.dicom import referenced_files

    limits.check_bytes(os.fstat(file.fileno()).st_size)
    with _typed_errors():
        paths = referenced_files(file)
        if len(paths) > limits.max_frames:
            raise TooLarge(f"the DICOMDIR references {len(paths)} files, over the cap of {limits.max_frames}")
        return paths


def identify(head: bytes, name: str, *, any_suffix: bool = False) -> tuple[str, Format]:
    """Identify the format by its first bytes.

    Raises: UnsupportedFormat, also where the suffix promises another format; CorruptFile for an empty file.
    """
    promised, suffix = promised_format(name), PurePosixPath(name.replace("\\", "/")).suffix.lower()
    if not head:
        raise CorruptFile("the file is empty")
    for kind in formats():
        if (format_name := kind.recognise(head)) is not None:
            if promised not in (None, format_name) and not any_suffix:
                raise UnsupportedFormat(
                    f"the content is {format_name}, not {promised} as the suffix {suffix} promises; rename the file, or use "
                    "any_suffix (--any-suffix)"
                )
            return format_name, kind
    supported = ", ".join(sorted(set(known_suffixes().values())))
    promise = (
        f"the content is not {promised}, which the suffix {suffix} promises: "
        if promised
        else "the format is unknown: "
    )
    begins = f"the only byte is {head.hex()}" if len(head) == 1 else f"the first bytes are {head[:8].hex(' ')}"
    raise UnsupportedFormat(f"{promise}{begins} (hexadecimal); supported formats are {supported}")


def keyed_hash(key: bytes, text: str) -> str:
    """HMAC-SHA-256, shortened to 64 bits: equal for equal text, and nothing to look up without the key."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:16]


class _typed_errors:
    """Turns any exception raised inside into an `UnreadableInput`.

    pydicom alone raises AttributeError, NotImplementedError, OSError, ValueError, TypeError and its own on mutated
    files, so `Exception` is the honest class to catch at this border.
    """

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, OddPixelError) or not isinstance(error, Exception):
            return
        if isinstance(error, MemoryError):
            raise DecodingStopped("decoding needs more memory than the limit allows") from error
        raise _corrupt(error) from error


def _corrupt(error: Exception) -> UnreadableInput:
    text = str(technical_text(str(error), LONGEST_REASON)) or "the decoder gives no reason"
    return CorruptFile(f"cannot be decoded: {text} ({type(error).__name__}); {GET_ANOTHER}")
