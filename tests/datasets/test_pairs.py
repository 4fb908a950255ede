"""Images in two files: one item whichever half is named, and a change of either half is a change of the image."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from oddpixel import Image, open_source
from oddpixel.datasets.arrivals import HALF, Arrivals
from oddpixel.datasets.entry import Entry
from oddpixel.datasets.listing import OTHER_HALF
from oddpixel.datasets.pairs import files_of
from oddpixel.errors import UnsafePath
from oddpixel.forensics.inspection.inspect import inspect_into
from oddpixel.forensics.runs.freshness import drop_outdated
from oddpixel.forensics.runs.order import Order, identities
from oddpixel.forensics.runs.run import Run
from oddpixel.image import Unreadable
from tests.datasets.test_arrivals import taken_names


def pair(folder: Path, name: str = "v", value: int = 1, suffix: str = "") -> tuple[Path, Path]:
    folder.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Pair(np.full((8, 9, 2), value, np.int16), np.eye(4)), folder / f"{name}.img")
    paths = (folder / f"{name}.hdr", folder / f"{name}.img")
    if suffix:
        for path in paths:
            path.with_name(path.name + suffix).write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    return tuple(path.with_name(path.name + suffix) for path in paths)  # type: ignore[return-value]


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0,), (1,)])
def test_either_half_is_the_one_image(order: tuple[int, ...], suffix: str, tmp_path: Path) -> None:
    paths = pair(tmp_path / "in", suffix=suffix)
    (tmp_path / "list.csv").write_text("path\n" + "".join(f"{paths[k]}\n" for k in order))
    for places in ([paths[k] for k in order], [tmp_path / "list.csv"]):
        source = open_source(*places)
        assert len(source) == 1
        assert all(isinstance(image, Image) for image in source)
        assert [file.reason for file in source.left_out] == [OTHER_HALF] * (len(order) - 1)


@pytest.mark.parametrize("pattern", ["", "/*", "/*.img", "/*.hdr", "/**/*"])
def test_a_folder_and_a_pattern_give_it_once(pattern: str, tmp_path: Path) -> None:
    pair(tmp_path / "in")
    source = open_source(f"{tmp_path / 'in'}{pattern}")
    assert len(source) == 1
    assert [image.pixels.max() for image in source] == [1, 1]
    assert {file.reason for file in source.left_out} <= {OTHER_HALF}, "never called no image: it is read"


def test_a_radiance_picture_and_a_disk_image_are_no_pair(tmp_path: Path) -> None:
    (tmp_path / "a.hdr").write_bytes(b"#?RADIANCE\n" + bytes(400))
    (tmp_path / "a.img").write_bytes(bytes(600))
    for name in ("a.hdr", "a.img"):
        assert files_of(Entry(name=name, path=tmp_path / name)) == (tmp_path / name,)


@pytest.mark.parametrize("half", [0, 1])
def test_a_change_of_either_half_is_seen(half: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    paths = pair(tmp_path / "in")
    inspect_into(tmp_path / "run", open_source(tmp_path / "in"))
    run = Run.open(tmp_path / "run")
    entries = open_source(tmp_path / "in").entries
    order = Order(kind="inspect", items=identities(entries))
    assert drop_outdated(run, entries, order) == []
    os.utime(paths[half])
    assert drop_outdated(run, entries, order) == [], "the bytes are the same"
    content = bytearray(paths[half].read_bytes())
    content[-1 if half else 112] ^= 1
    paths[half].write_bytes(content)
    assert drop_outdated(run, entries, order) == ["v.hdr"]


@pytest.mark.parametrize("first", [0, 1])
def test_a_watched_pair_is_given_once_both_halves_are_there(first: int, tmp_path: Path) -> None:
    paths = pair(tmp_path / "made")
    (tmp_path / "in").mkdir()
    arrivals = Arrivals(tmp_path / "in")
    for turn, half in enumerate((first, 1 - first)):
        shutil.copy(paths[half], tmp_path / "in")
        assert taken_names(arrivals) == []
        if turn == 0:
            assert taken_names(arrivals) == []
            assert [file.reason for file in arrivals.left_out] == [HALF]
    assert taken_names(arrivals) == ["v.hdr"]
    assert taken_names(arrivals) == []
    pair(tmp_path / "made", value=7)
    shutil.copy(paths[1], tmp_path / "in")
    assert taken_names(arrivals) == []
    assert taken_names(arrivals) == ["v.hdr"], "its voxels changed"


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("place", ["", "/*", "/*.hdr*", "/*.img*", "/v.hdr"])
def test_a_pair_whose_voxels_are_a_link_is_one_error_row(place: str, suffix: str, tmp_path: Path) -> None:
    _, voxels = pair(tmp_path / "in", suffix=suffix)
    voxels.rename(tmp_path / voxels.name)
    voxels.symlink_to(tmp_path / voxels.name)
    (row,) = open_source(f"{tmp_path / 'in'}{place}" + (suffix if place == "/v.hdr" else ""))
    assert isinstance(row, Unreadable)
    assert isinstance(row.error, UnsafePath)
    assert "link" in str(row.error)
    assert "after the folder was listed" not in str(row.error)


def test_voxels_whose_header_is_a_link_are_an_error_row(tmp_path: Path) -> None:
    header, voxels = pair(tmp_path / "in")
    header.rename(tmp_path / header.name)
    header.symlink_to(tmp_path / header.name)
    (row,) = open_source(voxels)
    assert isinstance(row, Unreadable)
    assert "'v.hdr', is a link" in str(row.error)
    (row,) = open_source(tmp_path / "in")
    assert isinstance(row, Unreadable)
    assert "link" in str(row.error)
