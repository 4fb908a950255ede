"""Files do not vanish or multiply: whatever lies at a place is an item or is left out with its reason, and nothing is both.

The oracle is an inventory of the place made by the test itself. Silent faults are planted in walkers and listers, and the
oracle must object to each.
"""

from __future__ import annotations

import io
import json
import lzma
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pillow

from oddpixel import Image, open_source
from oddpixel.datasets import walking
from oddpixel.datasets.entry import Entry
from oddpixel.datasets.listing import LeftOut, Listing, reasons
from oddpixel.datasets.source import FileSource
from oddpixel.datasets.sources import archive, manifest
from oddpixel.errors import Contradiction, CorruptFile, MissingFile, NoImages, UnsafePath, UsageError
from oddpixel.image import Unreadable
from tests.test_cli import oddpixel

TILE = np.arange(64, dtype=np.uint8).reshape(8, 8)


def picture(form: str = "PNG", shade: int = 0) -> bytes:
    buffer = io.BytesIO()
    Pillow.fromarray(TILE + np.uint8(shade)).save(buffer, form)
    return buffer.getvalue()


def tree(root: Path) -> Path:
    """A folder with one of everything."""
    (root / "deep/er").mkdir(parents=True)
    for k, name in enumerate(("a.png", "b.jfif", "c", "deep/d.dat", "deep/er/e.PNG", "f.apng")):
        (root / name).write_bytes(picture("JPEG" if name.endswith("jfif") else "PNG", k))
    for name, content in {
        "broken.png": b"no picture", "notes.txt": b"text", "table.csv": b"path\na.png\n", "empty": b"", ".hidden.png": picture(),
        "DICOMDIR": b"\0" * 200, "pack.zip": b"PK\x05\x06" + bytes(18),
    }.items():  # fmt: skip
        (root / name).write_bytes(content)
    (root / ".store").mkdir()
    (root / ".store/kept").write_bytes(picture("PNG", 50))
    (root / ".folder").mkdir()
    (root / ".folder/inner.png").write_bytes(picture("PNG", 60))
    os.symlink(root / "a.png", root / "link-in.png")
    os.symlink(root / "deep", root / "link-folder")
    os.symlink(root / ".store/kept", root / "link-hidden.png")
    os.symlink(root / ".folder", root / "link-hidden-folder")
    os.symlink("/etc/hostname", root / "link-out.png")
    os.symlink("/etc", root / "link-out-folder")
    os.symlink("nowhere", root / "link-nowhere.png")
    os.link(root / "a.png", root / "zz-hard.png")
    os.mkfifo(root / "pipe")
    return root


ITEMS = {"a.png", "b.jfif", "broken.png", "c", "deep/d.dat", "deep/er/e.PNG", "f.apng", "link-hidden.png"}
ITEMS |= {"link-out.png", "link-out-folder"}  # error rows
LEFT_OUT = {
    ".folder": "hidden", ".hidden.png": "hidden", ".store": "hidden", "DICOMDIR": walking.DICOMDIR, "empty": "empty",
    "link-folder": walking.LINKED, "link-hidden-folder": walking.FOLDER_LINK, "link-in.png": walking.LINKED,
    "link-nowhere.png": walking.DANGLING, "notes.txt": "not an image", "pack.zip": walking.ARCHIVE, "pipe": "not an image",
    "table.csv": walking.MANIFEST, "zz-hard.png": "listed twice",
}  # fmt: skip


def check(source: FileSource) -> None:
    """The oracle: exactly these items, once each; everything else with its reason; nothing from outside opened."""
    names = [entry.name for entry in source.entries]
    assert sorted(names) == sorted(ITEMS)
    assert {file.item: file.reason for file in source.left_out} == LEFT_OUT
    assert len(source.left_out) == len(LEFT_OUT)
    outside = [entry for entry in source.entries if entry.name.startswith("link-out")]
    assert all(isinstance(entry.error, UnsafePath) for entry in outside)


def test_everything_is_an_item_or_left_out(tmp_path: Path) -> None:
    source = open_source(tree(tmp_path / "t"), sandboxed=False)
    check(source)
    images = {image.source: image for image in source}
    assert {name for name, image in images.items() if isinstance(image, Unreadable)} == {
        "broken.png", "link-out.png", "link-out-folder",
    }  # fmt: skip


def _skips(listed: Iterator[Any]) -> Iterator[Any]:
    return (item for item in listed if not (isinstance(item, Entry) and item.name == "c"))


def _doubles(listed: Iterator[Any]) -> Iterator[Any]:
    for item in listed:
        yield item
        if isinstance(item, Entry) and item.name == "c":
            yield Entry(name="c2", path=item.path.with_name("b.jfif"))


def _forgets(listed: Iterator[Any]) -> Iterator[Any]:
    return (item for item in listed if not (isinstance(item, LeftOut) and item.item == "notes.txt"))


@pytest.mark.parametrize("fault", [_skips, _doubles, _forgets])
def test_a_walker_that_skips_doubles_or_forgets_is_caught(
    fault: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = walking._walk
    monkeypatch.setattr(walking, "_walk", lambda *arguments: fault(honest(*arguments)))
    with pytest.raises(AssertionError):
        check(open_source(tree(tmp_path / "t")))


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("leads_out", lambda target: None),  # follows a link out of the folder
        ("identify", lambda *arguments, **options: None),  # takes every file for an image
        ("promised_format", lambda name: "PNG" if name.endswith(".png") else None),  # still right: by content
        ("open_regular", lambda path: (_ for _ in ()).throw(UnsafePath("not a regular file"))),  # only suffixes count
    ],
)
def test_faults_in_the_parts_of_a_walker(
    name: str, fault: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walking, name, fault)
    if name == "promised_format":
        check(open_source(tree(tmp_path / "t")))
        return
    with pytest.raises(AssertionError):
        check(open_source(tree(tmp_path / "t")))


def test_links_are_followed_inside_the_root_alone(tmp_path: Path) -> None:
    source = open_source(tree(tmp_path / "t"), follow_links=True, sandboxed=False)
    names = {entry.name for entry in source.entries}
    assert names == ITEMS | {"link-hidden-folder/inner.png"}
    os.symlink(tmp_path / "t/.folder", tmp_path / "t/.folder/again")
    os.symlink(tmp_path / "t", tmp_path / "t/.folder/root")
    assert {entry.name for entry in open_source(tmp_path / "t", follow_links=True).entries} == names
    by_pattern = open_source(f"{tmp_path}/t/link-*", sandboxed=False)
    out = {entry.name for entry in by_pattern.entries if isinstance(entry.error, UnsafePath)}
    assert out == {"link-out.png", "link-out-folder"}


def test_a_folder_that_becomes_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "t/deep").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    for folder in ("t/deep", "outside"):
        (tmp_path / folder / "x.png").write_bytes(picture())
    source = open_source(tmp_path / "t", sandboxed=False)
    assert isinstance(next(iter(source)), Image)
    shutil.rmtree(tmp_path / "t/deep")
    os.symlink(tmp_path / "outside", tmp_path / "t/deep")
    (image,) = source
    assert isinstance(image, Unreadable)
    assert isinstance(image.error, UnsafePath)


def test_one_file_by_several_places_is_one_item(tmp_path: Path) -> None:
    root = tree(tmp_path / "t")
    (tmp_path / "m.csv").write_text("path,group\nt/a.png,p1\n./t/deep/../a.png,p1\nt/zz-hard.png,\n")
    source = open_source(root, root, f"{root}/*.png", root / "a.png", tmp_path / "m.csv", sandboxed=False)
    assert sorted(entry.name for entry in source.entries) == sorted(ITEMS)
    (a,) = [entry for entry in source.entries if entry.name == "a.png"]
    assert a.group == "p1", "what a manifest says of the file counts, wherever else it is listed"
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as zipped:
        zipped.writestr("1.png", picture())
    os.link(tmp_path / "z.zip", tmp_path / "y.zip")
    assert len(open_source(tmp_path / "z.zip", tmp_path / "y.zip")) == 1


def test_copies_are_items_of_their_own(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").write_bytes(picture())
    assert [entry.name for entry in open_source(tmp_path / "a", tmp_path / "b").entries] == ["a/1.png", "b/1.png"]


def test_all_files_of_places_that_share_names_have_their_folder_in_front(tmp_path: Path) -> None:
    for name in (
        "p1/scan/1.png",
        "p1/scan/deep/2.png",
        "p2/scan/1.png",
        "p2/scan/deep/2.png",
        "p2/scan/only.png",
        "other/9.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(picture())
    with zipfile.ZipFile(tmp_path / "p1/z.zip", "w") as zipped:
        zipped.writestr("1.png", picture())
    shutil.copy(tmp_path / "p1/z.zip", tmp_path / "p2/z.zip")

    def names(*places: str) -> list[str]:
        return sorted(entry.name for entry in open_source(*(tmp_path / place for place in places)).entries)

    assert names("p1", "other") == ["9.png", "scan/1.png", "scan/deep/2.png"]
    assert names("p1", "p2", "other") == [
        "9.png", "p1/scan/1.png", "p1/scan/deep/2.png", "p2/scan/1.png", "p2/scan/deep/2.png", "p2/scan/only.png",
    ]  # fmt: skip
    assert names("p1/scan", "p2/scan") == [
        "p1/scan/1.png", "p1/scan/deep/2.png", "p2/scan/1.png", "p2/scan/deep/2.png", "p2/scan/only.png",
    ]  # fmt: skip
    assert names("p1/z.zip", "p2/z.zip") == ["p1/z.zip/1.png", "p2/z.zip/1.png"]
    assert names("p1/scan", "p1/scan/1.png") == ["1.png", "deep/2.png"], "one file listed twice shares nothing"


def test_a_name_in_bytes_and_its_escape_are_two_files(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    for k, name in enumerate((b"x\xff.png", rb"x\xff.png")):
        Path(os.fsdecode(bytes(tmp_path / "t") + b"/" + name)).write_bytes(picture(shade=k))
    source = open_source(tmp_path / "t", sandboxed=False)
    assert len({entry.name for entry in source.entries}) == len(source) == 2
    assert len({image.sha256 for image in source}) == 2


def test_a_folder_that_cannot_be_listed_is_an_error_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(tmp_path / "t")
    honest = os.listdir

    def listdir(path: Any) -> list[str]:
        if Path(path).name == "er":
            raise PermissionError(13, "Permission denied")
        return honest(path)

    monkeypatch.setattr("oddpixel.datasets.walking.os.listdir", listdir)
    (row,) = [entry for entry in open_source(root).entries if entry.name == "deep/er"]
    assert isinstance(row.error, MissingFile)
    assert "Permission denied" in str(row.error)


def test_a_deep_tree_needs_no_recursion(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    for _ in range(300):
        folder = folder / "d"
    folder.mkdir(parents=True)
    (folder / "x.png").write_bytes(picture())
    assert len(open_source(tmp_path / "t")) == 1


# Archives


def test_members_are_items_or_left_out(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        for name, content in {"1.png": picture(), "2.jfif": picture("JPEG"), "3": picture(), "n.txt": b"text"}.items():
            zipped.writestr(name, content)
        zipped.writestr("__MACOSX/._1.png", b"resource")
        zipped.writestr("m.csv", b"path\n")
        zipped.writestr("0", b"")
        with pytest.warns(UserWarning, match="Duplicate"):
            zipped.writestr("1.png", picture(shade=9))
    source = open_source(tmp_path / "a.zip", sandboxed=False)
    assert [entry.name for entry in source.entries] == ["a.zip/1.png", "a.zip/2.jfif", "a.zip/3"]
    assert reasons(source.left_out) == {
        "hidden": 1, archive.SHADOWED: 1, "empty": 1, walking.MANIFEST: 1, "not an image": 1,
    }  # fmt: skip
    first = next(iter(source))
    assert isinstance(first, Image)
    assert first.pixels.min() > 0, "the later member of that name"


def test_an_archive_lister_that_drops_a_member_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = archive._member

    def dropped(opened: Any, info: Any, entry: Entry) -> Any:
        return LeftOut(entry.name, "hidden") if entry.member == "3" else honest(opened, info, entry)

    monkeypatch.setattr(archive, "_member", dropped)
    with pytest.raises(AssertionError):
        test_members_are_items_or_left_out(tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_STORED])
def test_a_corrupt_stream_is_one_row(method: int, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 64, 20_000, np.uint8).tobytes()
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as zipped:
        for k in range(3):
            zipped.writestr(f"{k}.png", picture(shade=k) + noise)
        middle = zipped.infolist()[1]
    content = bytearray((tmp_path / "a.zip").read_bytes())
    start = middle.header_offset + 30 + len(middle.filename)
    content[start + 20 : start + 4000] = b"\xff" * 3980
    (tmp_path / "a.zip").write_bytes(content)
    images = list(open_source(tmp_path / "a.zip", sandboxed=False))
    assert [type(image) for image in images] == [Image, Unreadable, Image]
    assert isinstance(images[1], Unreadable)
    assert isinstance(images[1].error, CorruptFile)


@pytest.mark.parametrize("error", [zlib.error("x"), lzma.LZMAError("x"), EOFError(), RuntimeError("x"), KeyError("x")])
def test_whatever_a_decompressor_raises_is_typed(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr("1.png", picture())

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr("oddpixel.datasets.entry._to_memory", fails)
    (image,) = open_source(tmp_path / "a.zip", sandboxed=False)
    assert isinstance(image.error, CorruptFile)
    assert type(error).__name__ in str(image.error)


@pytest.mark.parametrize("name", [".", "./", "././.", "//", "\\", "a.png/.", "..", "/"])
def test_a_member_without_a_name_costs_no_other(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as packed:
        for member in ("a.png", name, "b.png"):
            packed.writestr(zipfile.ZipInfo(member), picture())
    images = [image.source for image in open_source(tmp_path / "z.zip") if isinstance(image, Image)]
    assert {"z.zip/a.png", "z.zip/b.png"} <= {*images}


def test_a_lister_that_fails_at_one_member_gives_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as packed:
        for member in ("a.png", "b.png", "c.png"):
            packed.writestr(member, picture())
    list_member = archive._member

    def fails(opened: Any, info: Any, entry: Entry) -> Any:
        return list_member(opened, info, entry) if info.filename != "b.png" else ()[0]

    monkeypatch.setattr(archive, "_member", fails)
    errors = {image.source: type(getattr(image, "error", None)).__name__ for image in open_source(tmp_path / "z.zip")}
    assert errors == {"z.zip/a.png": "NoneType", "z.zip/b.png": "CorruptFile", "z.zip/c.png": "NoneType"}


def test_a_dicomdir_in_an_archive_is_left_out_as_in_a_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as packed:
        packed.writestr("disc/DICOMDIR", bytes(128) + b"DICM")
        packed.writestr("a.png", picture())
    source = open_source(tmp_path / "z.zip")
    assert [entry.name for entry in source.entries] == ["z.zip/a.png"]
    assert {file.item: file.reason for file in source.left_out} == {"z.zip/disc/DICOMDIR": walking.DICOMDIR}


def test_a_file_called_like_a_page_of_another_has_a_name_of_its_own(tmp_path: Path) -> None:
    pages = [Pillow.fromarray(TILE + np.uint8(k)) for k in range(3)]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    for k, name in enumerate(("x.tif#0", "x.tif#7", "y.tif#0")):
        (tmp_path / name).write_bytes(picture("TIFF", 20 + k))
    images = [image for image in open_source(tmp_path) if isinstance(image, Image)]
    names = [image.source for image in images]
    assert len({*names}) == len(names) == 6
    assert {"x.tif#0", "x.tif#1", "x.tif#2", "x.tif#0 (2)", "x.tif#7 (2)", "y.tif#0"} == {*names}
    assert {image.source: image.meta.get("frame") for image in images}["x.tif#0"] == 0


@pytest.mark.parametrize("pattern", ["*/*.png", "**/*.png", "*/*", "c*/*.png", "closed/*.png"])
def test_a_folder_that_a_pattern_cannot_list_is_an_error_row(
    pattern: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("open", "closed"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(picture())
    for name in ("scandir", "listdir"):
        real = getattr(os, name)

        def refused(path: Any = ".", real: Any = real) -> Any:
            if str(path).endswith("closed") or str(path).endswith("closed/"):
                raise PermissionError(13, "Permission denied", path)
            return real(path)

        monkeypatch.setattr(os, name, refused)
    entries = open_source(f"{tmp_path}/{pattern}").entries
    errors = [(entry.name.rpartition("/")[2], str(entry.error)) for entry in entries if entry.error is not None]
    assert [name for name, _ in errors] in (["closed"], ["."])
    assert "cannot be listed" in errors[0][1]


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_archive_is_an_error_row(seed: int, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("1", picture())
        zipped.writestr("2.png", picture())
    content = bytearray((tmp_path / "a.zip").read_bytes())
    generator = np.random.default_rng(seed)
    for _ in range(1 + seed % 8):
        content[int(generator.integers(len(content)))] = int(generator.integers(256))
    (tmp_path / "a.zip").write_bytes(content[: len(content) - seed % 3 * 7])
    (tmp_path / "b.png").write_bytes(picture())
    *_, last = open_source(tmp_path / "a.zip", tmp_path / "b.png", sandboxed=False)
    assert isinstance(last, Image), "the other file is read"


# Manifests


def listed(path: Path) -> list[tuple[str, str | None, str | None]]:
    return [(entry.name, entry.group, entry.label) for entry in open_source(path).entries]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for k, name in enumerate(("x/1.png", "x/2.png", "x/a b.png")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(picture(shade=k))
    return tmp_path


WANTED = [("x/1.png", "NA", "None"), ("x/2.png", "007", None), ("x/a b.png", None, "null")]
ROWS = [["path", "group", "label"], ["x/1.png", "NA", "None"], ["x/2.png", "007", ""], ["x/a b.png", "", "null"]]


def joined(separator: str, around: str = "", end: str = "\n") -> str:
    return end.join(separator.join(f"{around}{field}{around}" for field in row) for row in ROWS) + end


@pytest.mark.parametrize(
    "content",
    [
        *(joined(separator).encode() for separator in (",", ";", "\t", "|")),
        joined(",", " ").encode(),
        joined(";", '"').encode(),
        joined(",", end="\r\n").encode(),
        joined(",", end="\r").encode(),
        joined(";", end="\r\n").encode("utf-16"),
        joined("\t").encode("utf-16-le"),
        joined(",").encode("utf-16-be"),
        joined(",").encode("utf-8-sig"),
        joined(",").encode("utf-32"),
        ("sep=;\r\n" + joined(";", end="\r\n")).encode(),
        joined(",").replace("x/", "x\\").encode(),
        joined(",").replace("path,", "Path ,").replace("group", " GROUP").encode(),
        (joined(",") + "\n,,\n\n").encode(),
    ],
)
def test_manifests_as_spreadsheets_write_them(content: bytes, pictures: Path) -> None:
    (pictures / "m.csv").write_bytes(content)
    assert listed(pictures / "m.csv") == WANTED
    assert not any(isinstance(image, Unreadable) for image in open_source(pictures / "m.csv", sandboxed=False))


def test_a_manifest_that_drops_a_row_is_caught(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = manifest._csv_rows
    monkeypatch.setattr(manifest, "_csv_rows", lambda place: list(honest(place))[:-1])
    (pictures / "m.csv").write_text(joined(","))
    assert listed(pictures / "m.csv") != WANTED


def test_parquet_keeps_numbers_and_texts(pictures: Path) -> None:
    table = pd.DataFrame(
        {" path ": ["x/1.png", "x/2.png"], "group": pd.array([7, None], "Int64"), "label": ["NA", None]}
    )
    table.to_parquet(pictures / "m.parquet")
    assert listed(pictures / "m.parquet") == [("x/1.png", "7", "NA"), ("x/2.png", None, None)]


def test_unknown_columns_are_named(pictures: Path) -> None:
    (pictures / "m.csv").write_text("path,cohort,Age\nx/1.png,p1,40\n")
    (note,) = open_source(pictures / "m.csv").notes
    assert "`cohort`, `Age`" in note
    assert "group" in note


def test_duplicates_and_contradictions(pictures: Path) -> None:
    (pictures / "m.csv").write_text("path,group,label\nx/1.png,p1,\n./x/1.png,p1,good\nx/2.png,p1,\nx/2.png,p2,\n")
    source = open_source(pictures / "m.csv", sandboxed=False)
    first, second = source.entries
    assert (first.group, first.label, first.error) == ("p1", "good", None)
    assert isinstance(second.error, Contradiction)
    assert "'p1' and group 'p2'" in str(second.error)
    assert [file.reason for file in source.left_out] == ["listed twice"] * 2
    (pictures / "gone.csv").write_text("path\nx/none.png\nx/none.png\n")
    assert len(open_source(pictures / "gone.csv")) == 1, "a file that is not there, too"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"file,label\na.png,1\n", "its columns are file, label"),
        (b"", "its columns are none"),
        (b"path,group\n,g\n", "row 2 has no path"),
        (b"path,group\nx/1.png,g,extra\n", "3 fields under 2 names"),
        (b"path,path\nx/1.png,x/2.png\n", "appears twice"),
        (b"path\nM\xfcller.png\n", "save the table as UTF-8"),
        (b'path\n"x/1.png\n', "CSV"),
        (b"path\nx/\x001.png\n", "zero byte"),
    ],
)
def test_a_manifest_that_cannot_be_understood_says_why(content: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(content)
    with pytest.raises(UsageError, match=says):
        open_source(tmp_path / "m.csv")


def test_paths_of_windows(pictures: Path) -> None:
    (pictures / "m.csv").write_text("path;mask\nx\\1.png;x\\2.png\nC:\\data\\3.png;\n")
    first, second = open_source(pictures / "m.csv", sandboxed=False)
    assert (first.source, first.meta["mask"]) == ("x/1.png", str(pictures / "x/2.png"))
    assert isinstance(second, Unreadable)
    assert isinstance(second.error, MissingFile)
    (pictures / "x\\2.png").write_bytes(picture(shade=77))
    (pictures / "n.csv").write_text("path\nx\\2.png\n")
    assert open_source(pictures / "n.csv").entries[0].path.name == "x\\2.png", "a file that is really called so"


# Commands


def test_commands_end_with_what_they_left_out(tmp_path: Path) -> None:
    root = tree(tmp_path / "t")
    content = json.loads(oddpixel("inspect", root, "--json").stdout)
    assert {file["item"]: file["reason"] for file in content["left_out"]} == LEFT_OUT
    output = oddpixel("inspect", root).stdout
    assert f"{len(LEFT_OUT)} files left out: 3 hidden, " in output
    assert "--left-out lists them" in output
    assert "notes.txt" not in output
    assert "notes.txt: not an image" in oddpixel("inspect", root, "--left-out").stdout


def test_nothing_readable_is_exit_3(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    for arguments in (("inspect", tmp_path / "t"), ("audit", tmp_path / "t", "-o", tmp_path / "a")):
        assert oddpixel(*arguments).returncode == 3
    (tmp_path / "t/notes.txt").write_text("text")
    assert oddpixel("inspect", tmp_path / "t", "--json").returncode == 3
    fitted = oddpixel("fit", tmp_path / "t", "-o", tmp_path / "d")
    assert fitted.returncode == 3
    assert "1 not an image" in fitted.stderr
    (tmp_path / "t/x.png").write_bytes(b"no")
    assert oddpixel("fit", tmp_path / "t", "-o", tmp_path / "d").returncode == 3
    with pytest.raises(NoImages, match="there are no files"):
        FileSource((), open_source(tmp_path / "t").reader).check_any()
    shutil.rmtree(tmp_path / "t")
    assert oddpixel("inspect", tmp_path / "t").returncode == 2
    assert Listing().entries == ()
