"""Where groups come from, and what is said when they are not to be had."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from oddpixel import open_source
from oddpixel.errors import MissingGroup, UsageError
from oddpixel.forensics.detect.grouping import grouped
from tests.forensics.detect.test_detector import surface


@pytest.fixture
def folder(save: Callable[..., Path]) -> Path:
    for patient in ("anna", "bert"):
        for k in range(2):
            save(surface(k), f"in/{patient}/{k}.png")
    return save(surface(9), "in/loose.png").parent


def groups(place: Path, way: str | None) -> list[str]:
    return [image.group for image in grouped(open_source(place), way)]


def test_by_folder_and_by_file(folder: Path) -> None:
    assert groups(folder, "folder") == ["anna", "anna", "bert", "bert", "."]
    assert len(set(groups(folder, "file"))) == 5
    assert groups(folder, None) == groups(folder, "file")


def test_by_manifest(folder: Path) -> None:
    (folder / "all.csv").write_text("path,group\nanna/0.png,a\nbert/0.png,a\nloose.png,b\n")
    assert groups(folder / "all.csv", "csv") == ["a", "a", "b"]
    (folder / "some.csv").write_text("path,group\nanna/0.png,a\nbert/0.png,\n")
    with pytest.raises(UsageError, match=r"bert/0\.png has no group"):
        grouped(open_source(folder / "some.csv"), "csv")
    with pytest.raises(UsageError, match="no group"):
        grouped(open_source(folder), "csv")


def test_by_patient(folder: Path, pydicom_files: list[str]) -> None:
    scans = [path for path in pydicom_files if path.endswith(("CT_small.dcm", "MR_small.dcm"))][:2]
    found = [image.group for image in grouped(open_source(*scans), "dicom")]
    assert len(found) == 2
    assert all(".dcm" not in group for group in found), "keyed hashes of patients, not names of files"
    with pytest.raises(UsageError, match="none names a patient"):
        grouped(open_source(folder), "dicom")
    mixed = list(grouped(open_source(*scans, folder / "loose.png"), "dicom"))
    assert [type(getattr(image, "error", None)) for image in mixed] == [type(None), type(None), MissingGroup]
    assert [image.group for image in mixed[:2]] == found
    with pytest.raises(UsageError, match="groups come from"):
        grouped(open_source(folder), "stars")
