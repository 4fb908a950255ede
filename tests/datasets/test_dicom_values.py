"""What DICOM values mean, and where that cannot be known: colours, padding, functional groups, doses, projections, damage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, RTDoseStorage

from oddpixel import Image
from oddpixel.errors import CorruptFile, UnsupportedEncoding
from oddpixel.image import Unreadable
from tests.datasets.dicom_maker import make_slice
from tests.datasets.one_file import error, one, read

RGB = np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8)
GREY = np.random.default_rng(0).integers(0, 4096, (8, 12)).astype(np.uint16)
TWELVE: dict[str, Any] = {"BitsStored": 12, "HighBit": 11}


def colours(path: Path, interpretation: str, **elements: Any) -> Path:
    about = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "Rows": 8, "Columns": 12, "Modality": "XC"}
    return make_slice(path, RGB, PhotometricInterpretation=interpretation, **(about | elements))


def compressed(path: Path, interpretation: str, *, is_transformed: bool) -> Path:
    data = pydicom.dcmread(colours(path, interpretation))
    stream = imagecodecs.jpeg2k_encode(RGB, level=0, reversible=True, codecformat="j2k", mct=is_transformed)
    data.file_meta.TransferSyntaxUID = JPEG2000Lossless
    data.PixelData = encapsulate([stream])
    data["PixelData"].is_undefined_length = True
    data.save_as(path)
    return path


@pytest.mark.parametrize(
    "interpretation", ["HSV", "ARGB", "CMYK", "YBR_ICT", "YBR_RCT", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "XYB"]
)
def test_native_colours_that_are_not_converted_are_refused(interpretation: str, tmp_path: Path) -> None:
    assert isinstance(error(colours(tmp_path / "x.dcm", interpretation)), UnsupportedEncoding)


def test_native_colours_that_are_converted(tmp_path: Path) -> None:
    np.testing.assert_allclose(
        one(colours(tmp_path / "rgb.dcm", "RGB")).pixels * 255, RGB.transpose(2, 0, 1), atol=1e-4
    )
    assert one(colours(tmp_path / "ybr.dcm", "YBR_FULL")).pixels.shape == (3, 8, 12)


@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"])
def test_three_samples_are_no_grey(interpretation: str, tmp_path: Path) -> None:
    assert isinstance(error(colours(tmp_path / "x.dcm", interpretation)), CorruptFile)


def test_one_sample_is_no_colour(tmp_path: Path) -> None:
    path = make_slice(tmp_path / "x.dcm", GREY, PhotometricInterpretation="RGB")
    assert isinstance(error(path), CorruptFile)


@pytest.mark.parametrize(
    ("interpretation", "is_transformed", "note"),
    [
        ("YBR_RCT", True, ""),
        ("RGB", True, ""),
        ("YBR_RCT", False, "no colour transform"),
        ("YBR_FULL", True, "may be wrong"),
    ],
)
def test_a_colour_transform_that_contradicts_the_header_is_noted(
    interpretation: str, is_transformed: bool, note: str, tmp_path: Path
) -> None:
    image = one(compressed(tmp_path / "x.dcm", interpretation, is_transformed=is_transformed))
    notes = [sentence for sentence in image.notes if "transform" in sentence]
    assert bool(notes) == bool(note)
    assert note in "".join(notes)
    if interpretation != "YBR_FULL":
        np.testing.assert_allclose(image.pixels * 255, RGB.transpose(2, 0, 1), atol=1e-4)


def test_padding_beyond_the_bits_stored_masks_no_genuine_value(tmp_path: Path) -> None:
    """-2000 as US is 63536: cut to 12 bits it would be 2096."""
    stored = GREY.copy()
    stored[0, 0] = 2096
    assert one(make_slice(tmp_path / "a.dcm", stored, PixelPaddingValue=63536, **TWELVE)).valid is None
    stored[1] = 63536
    image = one(make_slice(tmp_path / "b.dcm", stored, PixelPaddingValue=63536, **TWELVE))
    assert image.valid is not None
    np.testing.assert_array_equal(image.valid, stored != 63536)
    assert image.pixels[0, 0, 0] == 2096 - 1024


@pytest.mark.parametrize("declared", [-2000, 63536, 2096], ids=["signed", "of 16 bits", "of 12 bits"])
def test_padding_of_signed_pixels_in_any_form(declared: int, tmp_path: Path) -> None:
    stored = GREY.astype(np.int16) // 4
    stored[0] = -2000
    path = make_slice(tmp_path / "x.dcm", stored, **TWELVE)
    data = pydicom.dcmread(path)
    data.add_new("PixelPaddingValue", "SS" if declared < 0 else "US", declared)
    data.save_as(path)
    image = one(path)
    assert image.valid is not None
    np.testing.assert_array_equal(image.valid, stored != -2000)


def frame_group(position: float | None, slope: float | None = None, kind: str | None = None) -> Dataset:
    group = Dataset()
    for sequence, elements in (
        ("PlanePositionSequence", {} if position is None else {"ImagePositionPatient": [0, 0, position]}),
        ("PlaneOrientationSequence", {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}),
        ("PixelValueTransformationSequence", {} if slope is None else {"RescaleSlope": slope, "RescaleIntercept": 0}),
        ("CTImageFrameTypeSequence", {} if kind is None else {"FrameType": ["ORIGINAL", "PRIMARY", kind]}),
    ):
        if elements:
            item = Dataset()
            for name, value in elements.items():
                setattr(item, name, value)
            setattr(group, sequence, [item])
    return group


def enhanced(path: Path, *groups: Dataset, num_frames: int | None = None, **elements: Any) -> Path:
    number = num_frames or len(groups)
    stored = np.stack([GREY + k for k in range(number)])
    about = {
        "NumberOfFrames": number,
        "PerFrameFunctionalGroupsSequence": list(groups),
        "BitsStored": 13,
        "HighBit": 12,
    }
    return make_slice(path, stored, **(about | elements))


UNSCALED: dict[str, Any] = {"RescaleSlope": None, "RescaleIntercept": None}


def test_a_frame_without_the_rescale_that_others_have_is_refused(tmp_path: Path) -> None:
    whole = read(enhanced(tmp_path / "whole.dcm", frame_group(0, 2), frame_group(3, 1), **UNSCALED))
    np.testing.assert_array_equal(whole[0].pixels[0], 2 * GREY)
    first, second = read(enhanced(tmp_path / "short.dcm", frame_group(0, 2), num_frames=2, **UNSCALED))
    assert "1 of 2 frames have functional groups" in "; ".join(first.notes)
    assert isinstance(second, Unreadable)
    _, second = read(enhanced(tmp_path / "uneven.dcm", frame_group(0, 2), frame_group(3), **UNSCALED))
    assert isinstance(second, Unreadable)


@pytest.mark.parametrize(
    ("positions", "notes"),
    [
        ([0, 3, 6, 9], []),
        ([9, 6, 3, 0], []),
        ([9, 0, 6, 3], ["not stored in the order of their positions (9, 0, 6, 3 mm"]),
        ([0, 3, 6, 30], ["3 to 24 mm apart"]),
        ([0, 0, 3, 3], ["4 frames lie at 2 positions"]),
        ([0, 3, 6, None], ["the positions of 1 frame are not given"]),
    ],
)
def test_order_and_gaps_of_enhanced_frames_are_noted(
    positions: list[float | None], notes: list[str], tmp_path: Path
) -> None:
    images = read(enhanced(tmp_path / "x.dcm", *(frame_group(position, 1) for position in positions), **UNSCALED))
    for image, position in zip(images, positions, strict=True):
        assert isinstance(image, Image)
        assert len(image.notes) == len(notes)
        assert all(note in "; ".join(image.notes) for note in notes)
        assert image.meta.get("position_mm") == position


def test_a_projection_among_enhanced_frames_is_not_in_hounsfield_units(tmp_path: Path) -> None:
    path = enhanced(tmp_path / "x.dcm", frame_group(0, 1, "LOCALIZER"), frame_group(3, 1, "VOLUME"), **UNSCALED)
    assert [image.unit for image in read(path)] == ["modality", "HU"]


@pytest.mark.parametrize(
    ("elements", "why"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "projection"),
        ({"ImageType": ["DERIVED", "PRIMARY", "AXIAL"], "RescaleType": "HU"}, "derived"),
        (UNSCALED, "no rescale slope"),
        ({"RescaleType": "US"}, "rescale type is US"),
    ],
)
def test_a_ct_that_is_not_in_hounsfield_units_says_why(elements: dict[str, Any], why: str, tmp_path: Path) -> None:
    image = one(make_slice(tmp_path / "x.dcm", GREY, **elements))
    assert image.unit == "modality"
    assert why in "; ".join(image.notes)


def test_doses_are_scaled_and_say_their_unit(tmp_path: Path) -> None:
    about = {"SOPClassUID": RTDoseStorage, "Modality": "RTDOSE", "DoseGridScaling": 0.005, "DoseUnits": "GY"}
    image = one(make_slice(tmp_path / "x.dcm", GREY, **UNSCALED, **about))
    np.testing.assert_allclose(image.pixels[0], GREY * 0.005, rtol=1e-6)
    assert image.quantum == pytest.approx(0.005)
    assert "GY" in "; ".join(image.notes)


@pytest.mark.parametrize(
    ("offsets", "note"), [([0, 3, 6], ""), ([0, 6, 3], "not stored in the order"), ([0, 3, 12], "apart")]
)
def test_planes_of_a_dose_out_of_order_or_apart_are_noted(offsets: list[float], note: str, tmp_path: Path) -> None:
    about = {"SOPClassUID": RTDoseStorage, "Modality": "RTDOSE", "NumberOfFrames": 3, "GridFrameOffsetVector": offsets}
    image = read(make_slice(tmp_path / "x.dcm", np.stack([GREY] * 3), **UNSCALED, **about))[1]
    assert isinstance(image, Image)
    assert bool(image.notes) == bool(note)
    assert note in "; ".join(image.notes)
    assert image.meta["position_mm"] == offsets[1]


def test_pixel_data_that_hold_more_than_the_frames_need_are_noted(tmp_path: Path) -> None:
    data = pydicom.dcmread(make_slice(tmp_path / "x.dcm", GREY))
    data.PixelData = data.PixelData + bytes(96)
    data.save_as(tmp_path / "x.dcm")
    assert "96 bytes more" in "; ".join(one(tmp_path / "x.dcm").notes)


def test_a_real_world_value_mapping_that_is_not_applied_is_noted(tmp_path: Path) -> None:
    for slope, is_noted in ((2.5, True), (1.0, False)):
        mapping = Dataset()
        mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = slope, -1024.0
        image = one(make_slice(tmp_path / "x.dcm", GREY, Modality="MR", RealWorldValueMappingSequence=[mapping]))
        assert ("real-world" in "; ".join(image.notes)) == is_noted, "a mapping that is the rescale is applied"


def test_a_prefix_with_garbage_behind_it_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "x.dcm").write_bytes(bytes(128) + b"DICM" + bytes(range(256)) * 4)
    assert isinstance(error(tmp_path / "x.dcm"), CorruptFile)


def test_pixel_data_cut_short_say_how_much_is_there_and_what_to_do(tmp_path: Path) -> None:
    data = pydicom.dcmread(make_slice(tmp_path / "x.dcm", GREY))
    data.PixelData = data.PixelData[:100]
    data.save_as(tmp_path / "x.dcm")
    message = str(error(tmp_path / "x.dcm"))
    assert "100 of the 192 bytes" in message
    assert "get it from its source again" in message
