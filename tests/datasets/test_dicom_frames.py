"""Compressed frames against the header of their DICOM object, frames that the header leaves out, and frames of single bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from oddpixel import Image
from oddpixel.errors import CorruptFile, UnsupportedEncoding
from tests.datasets.dicom_maker import make_slice
from tests.datasets.one_file import error, one, read

STORED = np.random.default_rng(0).integers(0, 4096, (48, 64)).astype(np.uint16)
TWELVE: dict[str, Any] = {"BitsStored": 12, "HighBit": 11}


def jpeg_2000(stored: np.ndarray, bits: int = 12) -> bytes:
    return bytes(imagecodecs.jpeg2k_encode(stored, level=0, reversible=True, codecformat="j2k", bitspersample=bits))


def jpeg(stored: np.ndarray) -> bytes:
    return bytes(imagecodecs.jpeg_encode((stored >> 4).astype(np.uint8), level=95))


LOSSLESS = {
    JPEG2000Lossless: jpeg_2000,
    JPEGLSLossless: imagecodecs.jpegls_encode,
    JPEGLosslessSV1: lambda stored: imagecodecs.ljpeg_encode(stored, bitspersample=12),
}


def compressed(path: Path, syntax: str, *frames: bytes, offsets: bool = True, **elements: Any) -> Path:
    """Frames as they are, in an object whose header says what `elements` say."""
    make_slice(path, STORED, **({**TWELVE, **elements}))
    data = pydicom.dcmread(path)
    data.file_meta.TransferSyntaxUID = syntax
    data.PixelData = encapsulate(list(frames), has_bot=offsets)
    data["PixelData"].is_undefined_length = True
    data.save_as(path)
    return path


@pytest.mark.parametrize("syntax", LOSSLESS)
@pytest.mark.parametrize("sides", [(64, 48), (24, 64), (96, 32)])
def test_a_frame_of_another_size_than_the_header_says_is_refused(
    syntax: str, sides: tuple[int, int], tmp_path: Path
) -> None:
    frame = LOSSLESS[syntax](STORED)
    np.testing.assert_array_equal(one(compressed(tmp_path / "fit.dcm", syntax, frame)).pixels[0] + 1024, STORED)
    rows, columns = sides
    path = compressed(tmp_path / "x.dcm", syntax, frame, Rows=rows, Columns=columns)
    assert isinstance(error(path), CorruptFile)
    assert f"{columns} x {rows}" in str(error(path))


def test_a_frame_deeper_than_the_header_says_is_refused_where_its_values_are(tmp_path: Path) -> None:
    deep = jpeg_2000(STORED << 4, 16)
    assert "12 bits stored" in str(error(compressed(tmp_path / "x.dcm", JPEG2000Lossless, deep)))
    image = one(compressed(tmp_path / "fits.dcm", JPEG2000Lossless, jpeg_2000(STORED, 16)))
    np.testing.assert_array_equal(image.pixels[0] + 1024, STORED)
    assert "the compressed frame has 16" in "; ".join(image.notes)


@pytest.mark.parametrize(
    ("syntax", "frame", "elements"),
    [
        (JPEGBaseline8Bit, jpeg(STORED), {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}),
        (JPEGExtended12Bit, bytes(imagecodecs.jpeg_encode(STORED, level=95, bitspersample=12)), {}),
        (JPEGLosslessSV1, bytes(imagecodecs.ljpeg_encode(STORED, bitspersample=12)), {}),
    ],
)
def test_a_frame_cut_short_is_refused(syntax: str, frame: bytes, elements: dict[str, Any], tmp_path: Path) -> None:
    assert one(compressed(tmp_path / "whole.dcm", syntax, frame, **elements)).notes == []
    for ending in (b"", b"\xff\xd9"):
        cut = frame[: len(frame) * 2 // 3].rstrip(b"\xff") + ending
        assert isinstance(error(compressed(tmp_path / "x.dcm", syntax, cut, **elements)), CorruptFile)


@pytest.mark.parametrize("offsets", [True, False])
@pytest.mark.parametrize("syntax", [*LOSSLESS, RLELossless])
def test_frames_that_the_header_leaves_out_are_noted(syntax: str, offsets: bool, tmp_path: Path) -> None:
    frames = [bytes(_encoded(syntax, stored)) for stored in (STORED, STORED[::-1].copy(), STORED)]
    images = read(compressed(tmp_path / "x.dcm", syntax, *frames, offsets=offsets, NumberOfFrames=2))
    assert len(images) == 2
    pictures = [image for image in images if isinstance(image, Image)]
    assert all("hold 3: 1 are not read" in "; ".join(image.notes) for image in pictures)
    # Run-length codes have no mark of their beginning: without offsets pydicom gives the second frame up.
    assert len(pictures) == (1 if syntax == RLELossless and not offsets else 2)
    images = read(compressed(tmp_path / "all.dcm", syntax, *frames, offsets=offsets, NumberOfFrames=3))
    assert not any("not read" in note for image in images if isinstance(image, Image) for note in image.notes)


def _encoded(syntax: str, stored: np.ndarray) -> bytes:
    if syntax != RLELossless:
        return bytes(LOSSLESS[syntax](stored))
    from pydicom.pixels.encoders import RLELosslessEncoder

    return RLELosslessEncoder.encode(
        stored.tobytes(), rows=48, columns=64, samples_per_pixel=1, bits_allocated=16, bits_stored=12,
        photometric_interpretation="MONOCHROME2", pixel_representation=0, number_of_frames=1,
    )  # fmt: skip


def test_one_frame_of_several_fragments_is_no_left_out_frame(tmp_path: Path) -> None:
    path = compressed(tmp_path / "x.dcm", JPEG2000Lossless, jpeg_2000(STORED))
    data = pydicom.dcmread(path)
    data.PixelData = encapsulate([jpeg_2000(STORED)], fragments_per_frame=3, has_bot=False)
    data["PixelData"].is_undefined_length = True
    data.save_as(path)
    assert one(path).notes == []


def test_native_frames_without_number_of_frames_are_noted(tmp_path: Path) -> None:
    image = one(make_slice(tmp_path / "x.dcm", np.stack([STORED, STORED]), **TWELVE))
    assert "hold 2: 1 are not read" in "; ".join(image.notes)
    odd = np.arange(15, dtype=np.uint8).reshape(3, 5)
    assert one(make_slice(tmp_path / "odd.dcm", odd)).notes == [], "a byte that pads to an even length is no frame"


@pytest.mark.parametrize("shape", [(3, 39, 51), (2, 8, 8), (2, 1, 3)])
def test_frames_of_single_bits_may_begin_within_a_byte(shape: tuple[int, int, int], tmp_path: Path) -> None:
    bits = np.random.default_rng(0).integers(0, 2, shape, np.uint8)
    path = make_slice(
        tmp_path / "x.dcm", bits, BitsAllocated=1, BitsStored=1, HighBit=0, NumberOfFrames=shape[0], Modality="SEG",
        RescaleSlope=None, RescaleIntercept=None,
    )  # fmt: skip
    data = pydicom.dcmread(path)
    packed = np.packbits(bits.ravel(), bitorder="little").tobytes()
    data.PixelData = packed + b"\0" * (len(packed) % 2)
    data.save_as(path)
    images = read(path)
    assert all(isinstance(image, Image) for image in images)
    np.testing.assert_array_equal([image.pixels[0] for image in images if isinstance(image, Image)], bits)


def test_samples_above_the_lowest_bit_are_refused_by_name(tmp_path: Path) -> None:
    path = make_slice(tmp_path / "x.dcm", STORED << 4, BitsStored=12, HighBit=15)
    assert isinstance(error(path), UnsupportedEncoding)
    assert "HighBit is 15" in str(error(path))
