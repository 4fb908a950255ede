"""Files of a watched folder: once they stand still, again when they change, never under a temporary name, never from outside."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from oddpixel.datasets import arrivals as module
from oddpixel.datasets.arrivals import UNFINISHED, Arrivals
from oddpixel.datasets.entry import Entry
from oddpixel.errors import MissingFile, UnsafePath
from tests.datasets.test_listing import picture


def taken_names(arrivals: Arrivals) -> list[str]:
    """Names of one look, each of them taken."""
    names = []
    for entry, looks in arrivals.look():
        if arrivals.take(entry, looks):
            names.append(entry.name)
    return names


def test_a_growing_file_is_given_once_it_stands_still(tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    content = picture()
    for size in (10, 100, len(content)):
        (tmp_path / "x.png").write_bytes(content[:size])
        assert taken_names(arrivals) == []
    assert taken_names(arrivals) == ["x.png"]
    assert taken_names(arrivals) == []
    (tmp_path / "x.png").write_bytes(picture(shade=9))
    assert taken_names(arrivals) == []
    assert taken_names(arrivals) == ["x.png"]


def test_a_file_that_changes_while_it_is_read_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(picture())
    arrivals = Arrivals(tmp_path)
    assert taken_names(arrivals) == []
    ((entry, looks),) = arrivals.look()
    (tmp_path / "x.png").write_bytes(picture(shade=9) + b"more")
    assert not arrivals.take(entry, looks)
    assert taken_names(arrivals) == []
    assert taken_names(arrivals) == ["x.png"]


@pytest.mark.parametrize(
    "name",
    [
        "x.png.part", "x.png.PART", "x.png.tmp", "x.png.crdownload", "x.png.download", "x.png.filepart", "x.png.partial",
        "x.png~", "~$x.png", "#x.png#", "x.png.tmp.4711", "x.png.tmp-ab12", "x.tmp", "x.png.swp", "x.png.!qb", ".x.png.Ab3dEf",
        "x.png.uploading", "x.dcm.temp", "x.png.in-progress", "x.png.lock",
    ],
)  # fmt: skip
def test_temporary_names_are_left_alone(name: str, tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    (tmp_path / name).write_bytes(picture())
    assert [taken_names(arrivals) for _ in range(3)] == [[], [], []]
    assert [file.item for file in arrivals.left_out] == [name]
    (tmp_path / name).rename(tmp_path / "y.png")
    assert taken_names(arrivals) + taken_names(arrivals) == ["y.png"]


@pytest.mark.parametrize(
    "name", ["part.png", "tmp.png", "download.png", "x.partition.png", "template.png", "1.2.840.10008.1"]
)
def test_other_names_are_given(name: str, tmp_path: Path) -> None:
    arrivals = Arrivals(tmp_path)
    (tmp_path / name).write_bytes(picture())
    assert taken_names(arrivals) + taken_names(arrivals) == [name]


def test_nothing_outside_is_opened(tmp_path: Path) -> None:
    (tmp_path / "in/deep").mkdir(parents=True)
    (tmp_path / "secret.png").write_bytes(picture())
    (tmp_path / "in/list.csv").write_text(f"path\n{tmp_path}/secret.png\n")
    os.symlink(tmp_path / "secret.png", tmp_path / "in/link.png")
    os.symlink(tmp_path, tmp_path / "in/deep/out")
    arrivals = Arrivals(tmp_path / "in")
    list(arrivals.look())
    entries = {entry.name: entry for entry, _ in arrivals.look()}
    assert set(entries) == {"list.csv", "link.png", "deep/out"}
    assert all(isinstance(entries[name].error, UnsafePath) for name in ("link.png", "deep/out"))
    assert arrivals.content(entries["list.csv"]) == (entries["list.csv"],), "itself, not what it lists"


def test_members_of_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("1.png", picture())
        archive.writestr("2.png", picture(shade=1))
    arrivals = Arrivals(tmp_path)
    list(arrivals.look())
    ((entry, _),) = arrivals.look()
    assert [member.name for member in arrivals.content(entry)] == ["a.zip/1.png", "a.zip/2.png"]


def test_one_file_under_two_names_is_given_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    os.link(tmp_path / "a.png", tmp_path / "b.png")
    arrivals = Arrivals(tmp_path)
    assert taken_names(arrivals) + taken_names(arrivals) == ["a.png"]


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingFile, match="no longer exists"):
        list(Arrivals(tmp_path / "gone").look())


def test_a_watcher_that_reads_temporary_names_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_file", lambda path, name: Entry(name=name, path=path))
    with pytest.raises(AssertionError):
        test_temporary_names_are_left_alone("x.png.part", tmp_path)
    assert UNFINISHED


def test_a_watcher_that_never_looks_again_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_states", lambda path: ((1, 2, 3),))
    with pytest.raises(AssertionError):
        test_a_growing_file_is_given_once_it_stands_still(tmp_path)
