"""DICOM: golden pixels, the LUT chain, geometry, series, and that no patient leaves the decoder."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from oddpixel import Image, open_source
from oddpixel.counting import counted
from oddpixel.errors import UnreadableInput, UsageError
from oddpixel.image import Unreadable
from tests.conftest import ROOT
from tests.datasets.dicom_maker import make_slice, make_stack

GOLDEN = json.loads((ROOT / "tests/fixtures/dicom_golden.json").read_text())


def read(path: Path) -> Image:
    (image,) = open_source(path, sandboxed=False)
    assert isinstance(image, Image), image.error
    return image


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_golden_pixels(name: str, pydicom_files: list[str]) -> None:
    """Values that pydicom's own decoders and a hand-written rescale gave (tests/fixtures/dicom_golden.json)."""
    (path,) = (path for path in pydicom_files if Path(path).name == name)
    image = read(Path(path))
    golden = GOLDEN[name]
    values = image.pixels * (2**image.bits - 1) if image.unit == "display" else image.pixels
    assert list(values.shape[1:]) == golden["shape"][:2]
    for row, column, expected in golden["points"]:
        np.testing.assert_allclose(values[:, row, column], expected, rtol=1e-6, atol=1e-3)
    np.testing.assert_allclose([values.min(), values.max()], [golden["min"], golden["max"]], rtol=1e-6)
    np.testing.assert_allclose(values.astype(float).mean(), golden["mean"], rtol=1e-5, atol=1e-4)


def test_pydicoms_own_files(pydicom_files: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Of the 95 with pixel data at least 89 decode; every other file is a typed error, and nobody sees a traceback."""
    with_pixels = []
    for path in pydicom_files:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                data = pydicom.dcmread(path, force=True)
            except Exception:
                continue
        if any(name in data for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
            with_pixels.append(path)
    assert len(with_pixels) == 95
    failed = {str(image.source) for image in open_source(*with_pixels) if isinstance(image, Unreadable)}
    assert len(with_pixels) - len({name.split("#")[0] for name in failed}) >= 89
    files = {path for path in pydicom_files if Path(path).is_file() and not Path(path).name.startswith("DICOMDIR")}
    others = sorted(files - set(with_pixels))
    assert len(others) > 50
    for image in open_source(*others):
        assert isinstance(image, Unreadable), image.source
        assert isinstance(image.error, UnreadableInput)
        assert str(image.error)
    assert "Traceback" not in capfd.readouterr().err


@settings(max_examples=40, deadline=None)
@given(
    bits=st.integers(8, 16),
    signed=st.booleans(),
    slope=st.sampled_from([1.0, 0.5, 2.0, 0.0123]),
    intercept=st.sampled_from([-1024.0, 0.0, 7.25]),
    data=st.data(),
)
def test_write_and_read_round_trip(
    bits: int,
    signed: bool,
    slope: float,
    intercept: float,
    data: st.DataObject,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    values = data.draw(st.lists(st.integers(low, high), min_size=12, max_size=12))
    stored = np.array(values, np.int16 if signed else np.uint16).reshape(3, 4)
    path = make_slice(
        tmp_path_factory.mktemp("d") / "x.dcm",
        stored,
        BitsStored=bits,
        HighBit=bits - 1,
        RescaleSlope=slope,
        RescaleIntercept=intercept,
    )
    image = read(path)
    np.testing.assert_allclose(image.pixels[0], stored * slope + intercept, rtol=1e-5, atol=1e-3)
    assert (image.bits, image.unit, image.spacing_mm) == (bits, "HU", (0.5, 0.75))
    assert image.quantum == pytest.approx(slope)


def test_bits_above_the_stored_ones_are_ignored(tmp_path: Path) -> None:
    """Overlay bits in the high nibble of a 12-bit image are no pixel values (PS3.5 8.1.1)."""
    stored = np.array([[0x0FFF, 0xF001], [0x0000, 0x8234]], np.uint16)
    image = read(make_slice(tmp_path / "x.dcm", stored, BitsStored=12, HighBit=11, RescaleIntercept=0))
    np.testing.assert_array_equal(image.pixels[0], [[0xFFF, 0x001], [0, 0x234]])


def test_monochrome1_is_inverted_for_display_only(tmp_path: Path) -> None:
    stored = np.array([[0, 100], [200, 255]], np.uint8)
    dark, bright = (
        read(
            make_slice(
                tmp_path / f"{kind}.dcm",
                stored,
                Modality="CR",
                RescaleSlope=None,
                RescaleIntercept=None,
                PhotometricInterpretation=kind,
            )
        )
        for kind in ("MONOCHROME1", "MONOCHROME2")
    )
    np.testing.assert_array_equal(dark.pixels, bright.pixels)
    np.testing.assert_array_equal(dark.to_display()[..., 0], 255 - stored)
    assert dark.unit == "modality"


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_the_window_is_for_display_only(function: str, tmp_path: Path) -> None:
    stored = np.array([[824, 1064], [1264, 2000]], np.int16)  # -200, 40, 240, 976 HU
    path = make_slice(tmp_path / "x.dcm", stored, WindowCenter=40, WindowWidth=400, VOILUTFunction=function)
    image = read(path)
    np.testing.assert_array_equal(image.pixels[0], stored.astype(float) - 1024)
    shown = image.to_display()[..., 0] / 255
    hu = image.pixels[0].astype(float)
    expected = {  # PS3.3 C.11.2.1.2 and C.11.2.1.3
        "LINEAR": np.clip((hu - 39.5) / 399 + 0.5, 0, 1),
        "LINEAR_EXACT": np.clip((hu - 40) / 400 + 0.5, 0, 1),
        "SIGMOID": 1 / (1 + np.exp(-4 * (hu - 40) / 400)),
    }[function]
    np.testing.assert_allclose(shown, expected, atol=0.005)


def test_padding_is_not_a_pixel_value(tmp_path: Path) -> None:
    stored = np.array([[-2000, 0], [1000, 2000]], np.int16)
    image = read(make_slice(tmp_path / "x.dcm", stored, PixelPaddingValue=-2000))
    np.testing.assert_array_equal(image.pixels[0], [[-1024, -1024], [-24, 976]])
    assert image.meta["padding_fraction"] == 0.25


def test_enhanced_frames_have_their_own_geometry_and_rescale(tmp_path: Path) -> None:
    def group(slope: float, spacing: float) -> Dataset:
        frame, rescale, measures = Dataset(), Dataset(), Dataset()
        rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = slope, 0, "US"
        measures.PixelSpacing = [spacing, spacing]
        frame.PixelValueTransformationSequence = Sequence([rescale])
        frame.PixelMeasuresSequence = Sequence([measures])
        return frame

    stored = np.arange(2 * 4 * 4, dtype=np.uint16).reshape(2, 4, 4)
    path = make_slice(
        tmp_path / "x.dcm",
        stored,
        Modality="MR",
        NumberOfFrames=2,
        PixelSpacing=None,
        RescaleSlope=None,
        RescaleIntercept=None,
        PerFrameFunctionalGroupsSequence=Sequence([group(1, 0.5), group(3, 0.25)]),
    )
    first, second = open_source(path, sandboxed=False)
    np.testing.assert_array_equal(second.pixels[0], stored[1] * 3.0)
    assert (first.spacing_mm, second.spacing_mm) == ((0.5, 0.5), (0.25, 0.25))
    assert first.group == second.group


def test_slices_are_sorted_along_the_normal_not_by_number(tmp_path: Path) -> None:
    make_stack(tmp_path, [0.0, 2.0, 4.0, 6.0])
    images = list(open_source(tmp_path, sandboxed=False))
    assert [image.pixels[0, 0, 0] for image in images] == [-1024, -1023, -1022, -1021]
    series = images[0].meta["series"]
    assert (series["num_slices"], series["missing_slices"], series["slice_distance_mm"]) == (4, 0, 2.0)
    assert "gantry_tilt_deg" not in series


@pytest.mark.parametrize(
    ("numbers", "promises", "notes"),
    [
        ([1, 2, 3], None, {}),
        ([1, 2, 3], 3, {}),
        ([0, 1, 2], None, {}),
        ([3, 4, 5, 9], None, {"missing_numbers": "6 to 8"}),
        ([1, 2, 3], 40, {"missing_numbers": "4 to 40", "promised_slices": 40}),
        ([101, 102, 103, 105], None, {"missing_numbers": "104"}),
        ([101, 102], 5, {"promised_slices": 5}),
        ([2, 3], 5, {"missing_numbers": "1, 4 to 5", "promised_slices": 5}),
        ([7, 7, 7], None, {}),
    ],
)
def test_a_series_that_was_cut_off_says_what_is_missing(
    numbers: list[int], promises: int | None, notes: dict[str, object], tmp_path: Path
) -> None:
    for k, number in enumerate(numbers):
        make_slice(
            tmp_path / f"{k}.dcm", np.zeros((8, 8), np.int16), InstanceNumber=number, ImagesInAcquisition=promises,
            ImagePositionPatient=[0.0, 0.0, 2.0 * k], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        )  # fmt: skip
    for image in open_source(tmp_path, sandboxed=False):
        series = image.meta["series"]
        assert {name: series[name] for name in ("missing_numbers", "promised_slices") if name in series} == notes


def test_missing_slices_and_gantry_tilt_are_flagged(tmp_path: Path) -> None:
    make_stack(tmp_path / "a", [0.0, 2.0, 4.0, 10.0, 12.0])
    assert next(iter(open_source(tmp_path / "a", sandboxed=False))).meta["series"]["missing_slices"] == 2
    make_stack(tmp_path / "b", [0.0, 2.0, 4.0], tilt=0.2)
    tilt = next(iter(open_source(tmp_path / "b", sandboxed=False))).meta["series"]["gantry_tilt_deg"]
    assert tilt == pytest.approx(np.degrees(np.arctan(0.2)), abs=0.01)
    make_stack(tmp_path / "c", [0.0, 2.0, 2.0, 4.0])
    assert next(iter(open_source(tmp_path / "c", sandboxed=False))).meta["series"]["doubled_positions"] == 1


def described(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """What was noted of the series in a folder, and in which words."""
    image = next(image for image in open_source(folder, sandboxed=False) if isinstance(image, Image))
    return image.meta["series"], image.notes


def series_at(folder: Path, positions: list[float | None], numbers: list[int | None], **elements: Any) -> None:
    for k, (z, number) in enumerate(zip(positions, numbers, strict=True)):
        make_slice(
            folder / f"{k:02d}.dcm", np.full((8, 8), k, np.int16), InstanceNumber=number,
            ImagePositionPatient=None if z is None else [0.0, 0.0, z], ImageOrientationPatient=[1, 0, 0, 0, 1, 0], **elements,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("positions", "numbers", "missing", "distance"),
    [
        ([0, 45], [1, 10], 8, 5),  # most of it missing: only the numbers know the distance
        ([45, 0], [1, 10], 8, 5),
        ([0, 5, 50, 55], [1, 2, 11, 12], 8, 5),
        ([0, 10, 20, 30, 35], [1, 3, 5, 7, 8], 3, 5),
        ([0, 20, 30, 100], [1, 3, 4, 11], 7, 10),
        ([0, 5, 15, 20], [1, 2, 3, 4], 1, 5),  # numbers without a gap do not hide one of positions
        ([0, 5, 15, 20], [None] * 4, 1, 5),
        ([0, 5, 10, 15], [1, 2, 4, 5], 0, 5),  # renumbered
        ([0, 50], [1, 2], 0, 50),
        ([0, None, 10, 15], [1, 2, 3, 4], 0, 5),  # the second is here, only its position is not
        ([0, None, 15, 20], [1, 2, 4, 5], 1, 5),
    ],
)
def test_missing_slices_are_counted_by_positions_and_numbers(
    positions: list[float | None], numbers: list[int | None], missing: int, distance: float, tmp_path: Path
) -> None:
    series_at(tmp_path, positions, numbers)
    series, notes = described(tmp_path)
    assert (series["missing_slices"], series["slice_distance_mm"]) == (missing, distance)
    assert any("between others, by position" in note for note in notes) == (missing > 0)
    unplaced = positions.count(None)
    assert series.get("without_position", 0) == unplaced
    assert "other_orientations" not in series
    assert ("the series has 1 image without a position" in notes) == (unplaced > 0)


@pytest.mark.parametrize(
    ("positions", "extremes"),
    [([0, 5, 10, 18, 23], [5, 8]), ([0, 5, 10, 16, 21], [5, 6]), ([0, 5, 10, 14, 19], [4, 5]), ([0, 5, 10, 15], None),
     ([0, 5, 10.2, 15.1], None)],
)  # fmt: skip
def test_irregular_distances_are_no_missing_slices(
    positions: list[float | None], extremes: list[float] | None, tmp_path: Path
) -> None:
    series_at(tmp_path, positions, [*range(1, len(positions) + 1)])
    series, notes = described(tmp_path)
    assert series["missing_slices"] == 0
    assert series.get("slice_distances_mm") == extremes
    assert notes == (
        [f"the series has irregular slice distances, {extremes[0]} to {extremes[1]} mm"] if extremes else []
    )


@pytest.mark.parametrize(
    ("each", "doubled"), [([1, 1, 1], 0), ([2, 1, 1], 1), ([3, 3], 2), ([2, 2, 2], 3), ([1, 4], 1)]
)
def test_positions_with_several_images_are_counted_once_each(each: list[int], doubled: int, tmp_path: Path) -> None:
    positions: list[float | None] = [5.0 * k for k, count in enumerate(each) for _ in range(count)]
    series_at(tmp_path, positions, [*range(1, len(positions) + 1)])
    series, notes = described(tmp_path)
    assert series["doubled_positions"] == doubled
    assert notes == ([f"the series has {counted(doubled, 'position')} with more than one image"] if doubled else [])


def test_another_size_or_pixel_distance_in_a_series_is_noted(tmp_path: Path) -> None:
    series_at(tmp_path / "alike", [0, 5, 10], [1, 2, 3], PixelSpacing=[0.7, 0.7])
    assert described(tmp_path / "alike")[1] == []
    series_at(tmp_path / "spacing", [0, 5], [1, 2], PixelSpacing=[0.7, 0.7], SeriesInstanceUID="1.2.3")
    make_slice(
        tmp_path / "spacing/09.dcm", np.zeros((8, 8), np.int16), InstanceNumber=3, PixelSpacing=[0.8, 0.8],
        ImagePositionPatient=[0.0, 0.0, 10.0], ImageOrientationPatient=[1, 0, 0, 0, 1, 0], SeriesInstanceUID="1.2.3",
    )  # fmt: skip
    assert described(tmp_path / "spacing")[1] == [
        "the series has images of different sizes or pixel spacings: 8 x 8 of 0.7 x 0.7 mm, 8 x 8 of 0.8 x 0.8 mm"
    ]


def test_images_with_the_uid_of_another_are_counted(tmp_path: Path) -> None:
    series_at(tmp_path / "own", [0, 5, 10], [1, 2, 3])
    assert "shared_instance_uids" not in described(tmp_path / "own")[0]
    series_at(tmp_path / "shared", [0, 5, 10], [1, 2, 3], SOPInstanceUID="1.2.3.4.5")
    series, notes = described(tmp_path / "shared")
    assert series["shared_instance_uids"] == 2
    assert notes == ["the series has 2 images with the SOPInstanceUID of another"]
    assert "1.2.3.4.5" not in json.dumps(series)


def test_a_series_without_any_position_is_not_said_to_lack_them(tmp_path: Path) -> None:
    series_at(tmp_path / "none", [None, None], [1, 2])
    assert described(tmp_path / "none")[1] == []
    series_at(tmp_path / "one", [0, None], [1, 2])
    assert described(tmp_path / "one")[1] == ["the series has 1 image without a position"]


def test_a_part_of_a_series_says_how_many_there_should_be(tmp_path: Path) -> None:
    series_at(tmp_path, [0.0, 5.0], [7, 8], ImagesInAcquisition=40)
    _, notes = described(tmp_path)
    assert "the series should have 40 slices, but has 2" in notes
    assert "the series lacks slices by number: 1 to 6, 9 to 40" in notes


def test_a_dicomdir_lists_its_files_and_none_outside(pydicom_files: list[str], tmp_path: Path) -> None:
    (path,) = (p for p in pydicom_files if p.endswith("dicomdirtests/DICOMDIR"))
    source = open_source(path)
    assert len(source) == 31
    assert all(entry.error is None for entry in source.entries)
    assert [entry.name for entry in source.entries] == [
        entry.name for entry in open_source(path, sandboxed=False).entries
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom says that ".." is no valid file id: that is the point
        data = pydicom.dcmread(path)
        data.DirectoryRecordSequence[3].ReferencedFileID = ["..", "..", "secret"]
        data.save_as(tmp_path / "DICOMDIR")
    outside = [entry for entry in open_source(tmp_path / "DICOMDIR").entries if entry.name == "../../secret"]
    assert [type(entry.error).__name__ for entry in outside] == ["UnsafePath"]
    (tmp_path / "DICOMDIR").write_bytes(b"no")
    with pytest.raises(UsageError, match="not a readable DICOMDIR"):
        open_source(tmp_path / "DICOMDIR")


def test_patients_never_leave_the_decoder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from oddpixel.forensics.inspection.inspect import inspect_into

    caplog.set_level(logging.DEBUG)
    first = make_slice(tmp_path / "a" / "x.dcm", np.zeros((8, 8), np.int16))
    second = make_slice(tmp_path / "b" / "y.dcm", np.zeros((8, 8), np.int16))
    third = make_slice(tmp_path / "c" / "z.dcm", np.zeros((8, 8), np.int16), PatientID="OTHER")
    out = tmp_path / "run"
    items = inspect_into(out, open_source(first, second, third))
    assert items[0]["group"] == items[1]["group"] != items[2]["group"]
    written = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
    for secret in (b"Doe", b"Jane", b"SECRET", b"19700101", b"Elsewhere"):
        assert not any(secret in content for content in [*written, json.dumps(items).encode(), caplog.text.encode()])


def test_a_picture_of_a_screen_gets_no_thumbnail(tmp_path: Path) -> None:
    from oddpixel.forensics.inspection.inspect import inspect_into

    path = make_slice(tmp_path / "x.dcm", np.zeros((8, 8), np.uint8), Modality="US")
    (item,) = inspect_into(tmp_path / "run", open_source(path))
    assert "thumbnail" not in item
    assert not (tmp_path / "run/thumbnails").exists()
