"""Headers of compressed DICOM frames, checked against the data set (PS3.5 8.2 and A.4).

The codestream of a compressed frame has its own size and depth. Where they contradict the data set, a decoder's samples would be
folded into rows of the wrong length, or cut to a depth that is not theirs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from oddpixel.counting import counted
from oddpixel.errors import CorruptFile

from .jpeg_segments import START_OF_IMAGE, segments

JPEG_2000 = b"\xff\x4f\xff\x51"
CODING_STYLE, START_OF_TILE = b"\xff\x52", b"\xff\x90"
JPEG_LS_FRAME = 0xF7
# Start-of-frame markers of T.81, table B.1: all of 0xC0..0xCF but those of Huffman tables, extensions and arithmetic coding.
JPEG_FRAMES = (*(code for code in range(0xC0, 0xD0) if code not in (0xC4, 0xC8, 0xCC)), JPEG_LS_FRAME)


@dataclass(frozen=True, kw_only=True)
class Codestream:
    """What the header of a compressed frame declares; `height` is 0 where it follows the samples (T.81, B.2.5).

    Arguments:
        is_transformed: whether its codec undoes a colour transform; None where it does not say (all but JPEG 2000).
    """

    width: int
    height: int
    num_components: int
    bits: int
    is_jpeg: bool
    is_transformed: bool | None = None


def codestream(frame: bytes) -> Codestream | None:
    """Parse the header of a compressed frame; None for a frame that is neither JPEG, JPEG-LS nor JPEG 2000."""
    if frame.startswith(START_OF_IMAGE):
        return _jpeg(frame)
    start = frame.find(JPEG_2000, 0, 1024)
    return None if start < 0 else _jpeg_2000(frame[start:])


def check_header(stream: Codestream, dataset: Any) -> list[str]:
    """Compare a compressed frame with the data set; returns notes.

    Raises: CorruptFile where their sizes differ.
    """
    samples, columns, rows = (int(dataset.get(name, 1) or 1) for name in ("SamplesPerPixel", "Columns", "Rows"))
    if (stream.width, stream.height or rows, stream.num_components) != (columns, rows, samples):
        raise CorruptFile(
            f"the header declares {columns} x {rows} pixels of {samples} sample(s), but the compressed "
            f"frame has {stream.width} x {stream.height} of {stream.num_components}; get the file from its source again"
        )
    if stream.bits == _bits_stored(dataset):
        return []
    return [f"the header declares {_bits_stored(dataset)} bits stored, but the compressed frame has {stream.bits}"]


def check_depth(samples: np.ndarray, dataset: Any) -> None:
    """Check that decoded samples fit into the bits that the data set declares. Raises: CorruptFile."""
    bits, is_signed = _bits_stored(dataset), int(dataset.get("PixelRepresentation", 0) or 0) == 1
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else (0, 2**bits - 1)
    if samples.min() < low or samples.max() > high:
        raise CorruptFile(
            f"the header declares {bits} bits stored ({low} to {high}), but the compressed frame holds values from "
            f"{samples.min()} to {samples.max()}; get the file from its source again"
        )


def check_length(dataset: Any) -> None:
    """Check that native pixel data are as long as the declared frames need. Raises: CorruptFile."""
    from pydicom.pixels.utils import get_expected_length

    if dataset.file_meta.TransferSyntaxUID.is_encapsulated or "PixelData" not in dataset:
        return
    expected, num_bytes = get_expected_length(dataset), len(dataset.PixelData)
    if num_bytes < expected:
        num_frames = int(dataset.get("NumberOfFrames", 1) or 1)
        raise CorruptFile(
            f"the pixel data hold {num_bytes} of the {expected} bytes that {counted(num_frames, 'frame')} need: the "
            "file is cut short; "
            "get it from its source again"
        )


def surplus_notes(dataset: Any) -> list[str]:
    """A note where native pixel data hold more than the frames need, and less than one more frame."""
    from pydicom.pixels.utils import get_expected_length

    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if "PixelData" not in dataset or not syntax or syntax.is_encapsulated:
        return []
    expected = get_expected_length(dataset)
    surplus = len(dataset.PixelData) - expected - expected % 2  # padded to an even length
    return [f"the pixel data hold {surplus} bytes more than the frames need: they are not read"] if surplus > 0 else []


def num_frames_held(dataset: Any) -> int | None:
    """How many frames the pixel data hold, whatever NumberOfFrames says; None where that cannot be determined."""
    from pydicom.encaps import parse_basic_offsets

    syntax = dataset.file_meta.get("TransferSyntaxUID")
    if "PixelData" not in dataset or not syntax:
        return None
    if not syntax.is_encapsulated:
        return _num_native(dataset)
    if table := dataset.get("ExtendedOffsetTable"):
        return len(table) // 8
    return len(parse_basic_offsets(dataset.PixelData)) or _num_beginnings(dataset)


def _num_native(dataset: Any) -> int:
    from pydicom.pixels.utils import get_expected_length

    num_declared = max(int(dataset.get("NumberOfFrames", 1) or 1), 1)
    expected = get_expected_length(dataset)
    return (len(dataset.PixelData) - expected % 2) * num_declared // expected  # padded to an even length


def _num_beginnings(dataset: Any) -> int | None:
    """Fragments that begin a codestream: without offsets, nothing else shows where a frame begins (A.4)."""
    from pydicom.encaps import generate_fragments
    from pydicom.uid import RLELossless

    _offsets, *fragments = generate_fragments(dataset.PixelData)
    if dataset.file_meta.TransferSyntaxUID == RLELossless:  # always one fragment a frame (A.4.2)
        return len(fragments)
    return sum(fragment.startswith((START_OF_IMAGE, JPEG_2000)) for fragment in fragments) or None


def _bits_stored(dataset: Any) -> int:
    return int(dataset.get("BitsStored", 0) or dataset.get("BitsAllocated", 8) or 8)


def _jpeg(stream: bytes) -> Codestream | None:
    for code, content in segments(stream):
        if code in JPEG_FRAMES and len(content) >= 6:
            bits, height, width, num_components = struct.unpack(">BHHB", content[:6])
            return Codestream(
                width=width, height=height, num_components=num_components, bits=bits, is_jpeg=code != JPEG_LS_FRAME
            )
    return None


def _jpeg_2000(stream: bytes) -> Codestream | None:
    """Parse the image and tile size segment (ISO/IEC 15444-1, A.5.1)."""
    if len(stream) < 43:
        return None
    right, bottom, left, top = struct.unpack(">4I", stream[8:24])
    (num_components,) = struct.unpack(">H", stream[40:42])
    return Codestream(
        width=right - left,
        height=bottom - top,
        num_components=num_components,
        bits=(stream[42] & 0x7F) + 1,
        is_jpeg=False,
        is_transformed=_has_colour_transform(stream),
    )


def _has_colour_transform(stream: bytes) -> bool | None:
    """Read the coding style segment (A.6.1), which stands before the first tile."""
    place = stream.find(CODING_STYLE, 0, stream.find(START_OF_TILE))
    return bool(stream[place + 8]) if place >= 0 and place + 8 < len(stream) else None
