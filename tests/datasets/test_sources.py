"""Places that hold images: order, shards, manifests, archives, links, and one bad file among many."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oddpixel import Image, open_source
from oddpixel.datasets.limits import Limits
from oddpixel.errors import CorruptFile, MissingFile, NotPermitted, TooLarge, UnsafePath, UnsupportedFormat, UsageError
from oddpixel.image import Unreadable
from tests.datasets.dicom_maker import make_stack

Save = Callable[..., Path]
TILE = np.arange(64, dtype=np.uint8).reshape(8, 8)


def names(*places: object, **options: object) -> list[str]:
    return [image.source for image in open_source(*places, sandboxed=False, **options)]


def test_a_folder_is_read_in_the_order_of_its_paths(save: Save, tmp_path: Path) -> None:
    for name in ("b/2.png", "a/10.png", "a/9.png", "c.PNG", ".hidden/x.png"):
        save(TILE, name)
    (tmp_path / "notes.txt").write_text("no image")
    assert names(tmp_path) == ["a/10.png", "a/9.png", "b/2.png", "c.PNG"]


@settings(max_examples=25, deadline=None)
@given(count=st.integers(1, 7), size=st.integers(0, 20))
def test_shards_hold_every_file_once(count: int, size: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("s")
    for k in range(size):
        (folder / f"{k:02d}.png").write_bytes(b"")
    source = open_source(folder, sandboxed=False)
    shards = [source.shard(k, count) for k in range(count)]
    assert sorted(entry.name for shard in shards for entry in shard.entries) == [entry.name for entry in source.entries]
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_a_shard_out_of_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="runs from 0 to 1"):
        open_source(tmp_path).shard(2, 2)


def test_globs_and_several_places(save: Save, tmp_path: Path) -> None:
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        save(TILE, name)
    assert names(f"{tmp_path}/*/1.png") == ["a/1.png", "b/1.png"]
    assert names(tmp_path / "a/1.png", tmp_path / "b/1.png") == ["a/1.png", "b/1.png"]
    with pytest.raises(UsageError, match="matches no file"):
        names(f"{tmp_path}/*.jpg")
    with pytest.raises(UsageError, match="no such file or folder"):
        names(tmp_path / "nothing")


def test_of_several_places_a_missing_file_is_an_error_row_and_a_missing_folder_an_error(
    save: Save, tmp_path: Path
) -> None:
    save(TILE, "a/1.png")
    source = open_source(tmp_path / "a", tmp_path / "a/2.png", sandboxed=False)
    there, missing = source
    assert isinstance(there, Image)
    assert isinstance(missing, Unreadable)
    assert (missing.source, type(missing.error), str(missing.error)) == ("2.png", MissingFile, "no such file")
    for places in ([tmp_path / "a", tmp_path / "b"], [tmp_path / "1.png", tmp_path / "2.png"]):
        with pytest.raises(UsageError, match="no such file or folder"):
            open_source(*places)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_manifest_gives_groups_labels_and_masks(kind: str, save: Save, tmp_path: Path) -> None:
    save(TILE, "x/1.png")
    save(TILE, "x/2.png")
    rows = [("x/1.png", "p1", "good", None), ("x/2.png", "p1", "bad", "m.png"), ("x/3.png", None, None, None)]
    table = pd.DataFrame(rows, columns=["path", "group", "label", "mask"])
    path = tmp_path / f"m.{kind}"
    table.to_csv(path, index=False) if kind == "csv" else table.to_parquet(path)
    first, second, missing = open_source(path, sandboxed=False)
    assert (first.group, first.meta["label"], "mask" in first.meta) == ("p1", "good", False)
    assert (second.group, second.meta["mask"]) == ("p1", str(tmp_path / "m.png"))
    assert isinstance(missing.error, MissingFile)
    assert missing.group == "x/3.png"


def test_a_manifest_without_paths_says_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("file,label\na.png,1\n")
    with pytest.raises(UsageError, match="needs a column `path`"):
        open_source(tmp_path / "m.csv")


def test_an_archive_is_read_in_place(save: Save, tmp_path: Path) -> None:
    png = save(TILE, "1.png").read_bytes()
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b/2.png", png)
        archive.writestr("a/1.png", png)
        archive.writestr("readme.txt", "no image")
        archive.writestr("../../evil.png", png)
        archive.writestr("/abs.png", png)
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    before = set(tmp_path.rglob("*"))
    images = list(open_source(path))
    assert [type(image) for image in images].count(Image) == 2
    bad = [image for image in images if isinstance(image, Unreadable)]
    assert len(bad) == 3
    assert all(isinstance(image.error, UnsafePath) for image in bad)
    assert set(tmp_path.rglob("*")) == before


def test_an_archive_of_slices_is_sorted(tmp_path: Path) -> None:
    paths = make_stack(tmp_path / "s", [0.0, 2.0, 4.0])
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as archive:
        for path in paths:
            archive.write(path, path.name)
    assert [image.pixels[0, 0, 0] for image in open_source(tmp_path / "s.zip", sandboxed=False)] == [
        -1024,
        -1023,
        -1022,
    ]


def test_an_archive_bomb_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", b"\0" * 50_000_000)
    (image,) = open_source(tmp_path / "a.zip", limits=Limits(max_file_bytes=10_000_000), sandboxed=False)
    assert isinstance(image.error, TooLarge)


def test_a_link_out_of_the_folder_is_an_error_row(save: Save, tmp_path: Path) -> None:
    save(TILE, "outside/secret.png")
    save(TILE, "tree/real.png")
    os.symlink(tmp_path / "outside/secret.png", tmp_path / "tree/link.png")
    os.symlink(tmp_path / "outside", tmp_path / "tree/folder")
    os.symlink(tmp_path / "tree", tmp_path / "tree/loop")
    os.symlink(tmp_path / "tree/real.png", tmp_path / "tree/same.png")
    rows = {image.source: image for image in open_source(tmp_path / "tree", sandboxed=False)}
    assert isinstance(rows["link.png"].error, UnsafePath)
    assert isinstance(rows["folder"].error, UnsafePath)
    assert set(rows) == {"link.png", "folder", "real.png"}, "same.png is real.png, and one item"


@pytest.mark.parametrize(
    ("name", "content", "error", "says"),
    [
        ("x.png", b"", CorruptFile, "empty"),
        ("x.png", b"#!/bin/sh\nrm -rf", UnsupportedFormat, "content is not PNG"),
        ("x.jpg", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, UnsupportedFormat, "the content is PNG, not JPEG"),
        ("x.tif", b"II*\0\xff\xff\xff\xff", CorruptFile, "cannot be decoded"),
        ("x.dcm", b"\0" * 128 + b"DICM", UnsupportedFormat, ""),
        ("x.zzz", b"GIF89a", CorruptFile, "cut short in its header"),
        ("x.png", b"\x7fELF" + b"\0" * 60, UnsupportedFormat, "7f 45 4c 46"),
    ],
)
def test_bad_files_say_why(name: str, content: bytes, error: type, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    (image,) = open_source(tmp_path / name, sandboxed=False)
    assert isinstance(image, Unreadable)
    assert isinstance(image.error, error) or name == "x.dcm"
    assert says in str(image.error)
    with pytest.raises(type(image.error)):
        _ = image.pixels


def test_a_lying_suffix_can_be_read_on_request(save: Save, tmp_path: Path) -> None:
    save(TILE, "x.png").rename(tmp_path / "x.jpg")
    (image,) = open_source(tmp_path / "x.jpg", sandboxed=False, any_suffix=True)
    assert isinstance(image, Image)


def test_a_file_that_may_not_be_read_says_so(save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(TILE, "x.png")
    honest = os.open

    def opened(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).endswith("x.png"):
            raise PermissionError(13, "Permission denied")
        return honest(path, *arguments, **options)

    monkeypatch.setattr("oddpixel.datasets.entry.os.open", opened)
    (image,) = open_source(tmp_path / "x.png", sandboxed=False)
    assert isinstance(image, Unreadable)
    assert isinstance(image.error, NotPermitted)
    assert "Permission denied" in str(image.error)


def test_fifo_and_device_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.png")
    (image,) = open_source(tmp_path / "x.png", sandboxed=False)
    assert isinstance(image.error, UnsafePath)


def test_one_bad_file_in_a_hundred_is_one_row(save: Save, tmp_path: Path) -> None:
    for k in range(99):
        save(TILE + np.uint8(k), f"{k:02d}.png")
    good = (tmp_path / "00.png").read_bytes()
    (tmp_path / "50x.png").write_bytes(good[: len(good) // 2])
    images = list(open_source(tmp_path))
    assert len(images) == 100
    bad = [image.source for image in images if isinstance(image, Unreadable)]
    assert bad == ["50x.png"]
    assert [image.source for image in images] == sorted(image.source for image in images)
