"""NIfTI: every voxel lands where anatomy says, however the file stores it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddpixel import Image, open_source
from oddpixel.errors import CorruptFile, TooLarge, UnsupportedEncoding
from oddpixel.image import Unreadable

# right, left, anterior, ... in patient coordinates: x to the right, y to anterior, z upwards (RAS+), asymmetric on purpose.
WORLD = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


def write(path: Path, order: tuple[int, ...] = (0, 1, 2), flips: tuple[int, ...] = (1, 1, 1), **options: Any) -> Path:
    """WORLD stored with its axes in any order and direction, and the affine that says so."""
    spacing = np.array([0.8, 1.1, 2.5])
    stored, affine = WORLD, np.diag([*spacing, 1.0])
    for axis, flip in enumerate(flips):
        if flip < 0:
            stored = np.flip(stored, axis)
            affine[:3, 3] += affine[:3, axis] * (WORLD.shape[axis] - 1)
            affine[:3, axis] *= -1
    kind = options.get("kind", nib.Nifti1Image)
    image = kind(stored.transpose(order).astype(options.get("dtype", np.int16)), affine[:, [*order, 3]])
    image.header.set_slope_inter(*options.get("scaling", (1, 0)))
    path.write_bytes(gzip.compress(image.to_bytes()) if path.suffix == ".gz" else image.to_bytes())
    return path


@settings(max_examples=30, deadline=None)
@given(order=st.permutations((0, 1, 2)), flips=st.tuples(*[st.sampled_from((1, -1))] * 3))
def test_slices_are_shown_from_below_whatever_the_storage(
    order: list[int], flips: tuple[int, ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.mktemp("nifti") / "a.nii", tuple(order), flips)
    slices = list(open_source(path, sandboxed=False))
    assert len(slices) == 6
    for k, image in enumerate(slices):
        # Rows run to posterior, columns to the patient's left.
        np.testing.assert_array_equal(image.pixels[0], WORLD[::-1, ::-1, k].T)
        assert image.spacing_mm == pytest.approx((1.1, 0.8))
        assert image.meta["slice_spacing_mm"] == pytest.approx(2.5)
        assert image.unit == "modality"


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_plain_and_gzipped_versions_1_and_2_with_scaling(kind: Any, name: str, tmp_path: Path) -> None:
    (*_, last) = open_source(write(tmp_path / name, kind=kind, scaling=(0.5, -10)))
    np.testing.assert_allclose(last.pixels[0], WORLD[::-1, ::-1, 5].T * 0.5 - 10)
    assert last.quantum == 0.5
    assert last.source == f"{name}#5"


def test_a_fourth_axis_counts_on_and_slices_can_be_skipped(tmp_path: Path) -> None:
    series = np.stack([WORLD, WORLD + 1000], -1)
    nib.save(nib.Nifti1Image(series, np.eye(4)), tmp_path / "a.nii.gz")
    images = list(open_source(tmp_path, every=5))
    assert [image.source for image in images] == ["a.nii.gz#0", "a.nii.gz#5", "a.nii.gz#10"]
    np.testing.assert_array_equal(images[2].pixels[0], WORLD[::-1, ::-1, 4].T + 1000)


def test_names_in_the_header_go_nowhere(tmp_path: Path) -> None:
    image = nib.Nifti1Image(WORLD, np.eye(4))
    image.header["descrip"] = b"Doe^Jane 1970"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Doe^Jane"))
    nib.save(image, tmp_path / "a.nii")
    read = list(open_source(tmp_path))
    assert len(read) == 6
    assert "Doe" not in repr([(decoded.meta, decoded.group) for decoded in read])
    np.testing.assert_array_equal(read[0].pixels[0], WORLD[::-1, ::-1, 0].T)


def test_bad_volumes_say_why(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.nii").read_bytes()
    (tmp_path / "cut.nii").write_bytes(whole[:-20])
    (tmp_path / "cut.nii.gz").write_bytes(gzip.compress(whole)[:-30])
    colours = np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colours, np.eye(4)), tmp_path / "rgb.nii")
    huge = nib.Nifti1Image(WORLD, np.eye(4)).header
    huge.set_data_shape((10_000, 10_000, 30_000))
    huge["vox_offset"] = 352
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(huge.binaryblock + bytes(4)))
    errors = {row.source: row.error for row in open_source(tmp_path) if isinstance(row, Unreadable)}
    assert isinstance(errors["cut.nii"], CorruptFile)
    assert isinstance(errors["cut.nii.gz"], CorruptFile)
    assert isinstance(errors["rgb.nii"], UnsupportedEncoding)
    assert isinstance(errors["bomb.nii.gz"], TooLarge)


def test_a_volume_in_a_folder_is_found_by_its_double_suffix(tmp_path: Path) -> None:
    write(tmp_path / "a.nii.gz")
    (tmp_path / "notes.txt.gz").write_bytes(gzip.compress(b"no image"))
    assert {type(image) for image in open_source(tmp_path)} == {Image}


def header(path: Path, shape: tuple[int, ...] = (4, 5, 6), dtype: Any = np.int16, **fields: Any) -> bytes:
    """A whole file of WORLD's values, with these fields of its header overwritten."""
    image = nib.Nifti1Image(np.resize(WORLD, shape).astype(dtype), np.diag([0.7, 0.9, 3.0, 1.0]))
    image.header.set_xyzt_units("mm")
    content = bytearray(image.to_bytes())
    about = np.frombuffer(content, nib.nifti1.header_dtype, 1)
    for name, value in fields.items():
        about[name] = value
    path.write_bytes(content)
    return bytes(content)


def first(path: Path) -> Image:
    image = next(iter(open_source(path, sandboxed=False)))
    assert isinstance(image, Image), image.error
    return image


@pytest.mark.parametrize(("code", "factor"), [(0, 1), (1, 1000), (2, 1), (3, 0.001)], ids=["none", "m", "mm", "micron"])
def test_distances_are_brought_to_millimetres(code: int, factor: float, tmp_path: Path) -> None:
    header(tmp_path / "a.nii", xyzt_units=code)
    image = first(tmp_path / "a.nii")
    assert image.spacing_mm == pytest.approx((0.9 * factor, 0.7 * factor), rel=1e-9)
    assert image.meta["slice_spacing_mm"] == pytest.approx(3 * factor)
    assert image.notes == []


@pytest.mark.parametrize("offset", [0, 100, 347, -5, 352.5])
def test_voxels_cannot_begin_inside_of_the_header(offset: float, tmp_path: Path) -> None:
    header(tmp_path / "a.nii", vox_offset=offset)
    (image,) = open_source(tmp_path / "a.nii", sandboxed=False)
    assert isinstance(image, Unreadable)
    assert isinstance(image.error, CorruptFile)
    assert "vox_offset" in str(image.error)


@pytest.mark.parametrize(
    ("fields", "note"),
    [
        ({}, None),
        ({"scl_slope": np.inf}, "slope of inf"),
        ({"qform_code": 0, "sform_code": 0}, "no orientation"),
        ({"pixdim": [1, 2, 2, 2, 1, 1, 1, 1]}, "differ"),
        ({"bitpix": 8}, "8 bits per voxel"),
        ({"xyzt_units": 5}, "unit of length"),
        ({"dim": [3, 4, 5, 5, 1, 1, 1, 1]}, "40 bytes more"),
    ],
)
def test_doubtful_headers_are_noted(fields: dict[str, Any], note: str | None, tmp_path: Path) -> None:
    content = header(tmp_path / "a.nii", **fields)
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content))
    for path in (tmp_path / "a.nii", tmp_path / "b.nii.gz"):
        notes = first(path).notes
        assert bool(notes) == (note is not None)
        assert (note or "") in "; ".join(notes)


def test_a_length_of_zero_is_no_distance(tmp_path: Path) -> None:
    header(tmp_path / "a.nii", pixdim=[1, 0, 2, 2, 1, 1, 1, 1])
    assert first(tmp_path / "a.nii").spacing_mm is None


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.float64])
def test_values_that_float32_cannot_hold_are_noted(dtype: type, tmp_path: Path) -> None:
    for start, is_noted in ((2**29, True), (0, False)):
        values = (WORLD.astype(np.int64) + start).astype(dtype)
        nib.save(nib.Nifti1Image(values, np.eye(4), dtype=dtype), tmp_path / "a.nii")
        assert ("rounded" in "; ".join(first(tmp_path / "a.nii").notes)) == is_noted


def test_damaged_halves_of_a_pair_are_corrupt(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Pair(WORLD, np.eye(4)), tmp_path / "a.img")
    voxels = gzip.compress((tmp_path / "a.img").read_bytes())
    (tmp_path / "a.img").unlink()
    for damaged in (voxels[:20] + b"\xff" * 30 + voxels[50:], voxels[:-30], b"\x1f\x8b" + bytes(50)):
        (tmp_path / "a.img.gz").write_bytes(damaged)
        (image,) = open_source(tmp_path / "a.hdr")
        assert isinstance(image, Unreadable)
        assert isinstance(image.error, CorruptFile)
    (tmp_path / "a.img.gz").write_bytes(voxels)
    assert len(list(open_source(tmp_path / "a.hdr"))) == 6


def test_a_pair_is_inflated_by_the_decoder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is handed to the confined worker is no larger than the two files."""
    from oddpixel.datasets import reading

    nib.save(nib.Nifti1Pair(np.zeros((64, 64, 200), np.int16), np.eye(4)), tmp_path / "a.img")
    (tmp_path / "a.img.gz").write_bytes(gzip.compress((tmp_path / "a.img").read_bytes()))
    (tmp_path / "a.img").unlink()
    sizes, honest = [], reading.open_whole

    def open_whole(*arguments: Any) -> Any:
        file = honest(*arguments)
        sizes.append(file.seek(0, 2))
        file.seek(0)
        return file

    monkeypatch.setattr(reading, "open_whole", open_whole)
    assert len(list(open_source(tmp_path / "a.hdr"))) == 200
    assert sizes[0] < (tmp_path / "a.img.gz").stat().st_size + 1000


def test_more_than_gzip_can_hold_is_refused_before_it_is_inflated(tmp_path: Path) -> None:
    about = nib.Nifti1Image(WORLD, np.eye(4)).header
    about.set_data_shape((1000, 1000, 100))
    about["vox_offset"] = 352
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(about.binaryblock + bytes(10_000)))
    (image,) = open_source(tmp_path / "a.nii.gz", sandboxed=False)
    assert isinstance(image, Unreadable)
    assert isinstance(image.error, TooLarge)
