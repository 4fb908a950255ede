"""Regions that people draw: every version logged, each its reader's own, exported with labels and names."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oddpixel.errors import UsageError
from oddpixel.forensics.runs.export import export
from oddpixel.forensics.runs.regions import Drawn, drawn
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.verdicts import Sent, Verdicts
from tests.dashboards.conftest import made, run

__all__ = ["made", "run"]
BOX = ((10.0, 20.0), (30.0, 20.0), (30.0, 40.0), (10.0, 40.0))


def sent(
    item: str, points: Any = BOX, *, region: str = "region-1", label: str = "crack", key: str | None = None
) -> Sent:
    of = Drawn(region=region, kind="rectangle", points=points, label=label)
    return Sent(key=key or f"{region}-{label}-{len(str(points))}", items=((item, None),), decision=None, region=of)


def test_every_version_is_logged_and_the_newest_counts(tmp_path: Path) -> None:
    with Verdicts(tmp_path / "v.sqlite") as verdicts:
        assert verdicts.receive("r", [sent("a"), sent("a", label="scratch")], author="ann") == [None, None]
        assert verdicts.receive("r", [sent("a")], author="ann") == [None], "sent twice, done once"
        verdicts.record("r", "a", "odd", author="ann")
        verdicts.receive("r", [sent("a", region="region-2"), sent("a", (), region="region-2")], author="ann")
        assert [(each.label, each.outline) for each in verdicts.regions("r", "a")] == [
            ("scratch", [list(point) for point in BOX])
        ]
        assert len(verdicts.region_versions("r")) == 4
        (refused,) = verdicts.receive("r", [sent("a", label="mine", key="key-of-ben")], author="ben")
        assert "this region is of ann" in str(refused)
        (refused,) = verdicts.receive("r", [sent("b", label="mine", key="key-of-ann")], author="ann")
        assert "on a" in str(refused), "a region stays on its item"
        assert verdicts.verify().ok
        assert verdicts.verify().length == 5
        assert verdicts.latest("r")["a"].decision == "odd"


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ("UPDATE regions SET label = 'none' WHERE seq = 1", "region 1 is not what the log says was drawn"),
        ("DELETE FROM regions WHERE seq = 2", "the region of entry 2 was removed"),
        ("UPDATE regions SET seq = 9 WHERE seq = 2", "the region of entry 2 was removed"),
        (
            "INSERT INTO regions SELECT 9, run, item, sha256, region, kind, points, label, author, at FROM regions LIMIT 1",
            "region 9 has no entry",
        ),
    ],
)
def test_a_region_that_was_changed_behind_the_log_is_noticed(tmp_path: Path, change: str, because: str) -> None:
    with Verdicts(tmp_path / "v.sqlite") as verdicts:
        verdicts.receive("r", [sent("a"), sent("a", region="region-2")], author="ann")
    with closing(sqlite3.connect(tmp_path / "v.sqlite")) as connection, connection:
        connection.execute(change)
    with Verdicts(tmp_path / "v.sqlite") as verdicts:
        found = verdicts.verify()
    assert not found.ok
    assert because in found.because


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {},
        {"points": [[0, 0], [1, 1]]},
        {"points": [[0, 0]] * 2001},
        {"points": [[0, 0], [1, 1], [float("nan"), 0]]},
        {"points": [[0, 0], [1, 1], [-1, 0]]},
        {"points": [[0, 0], [1, 1], [True, 0]]},
        {"points": [[0, 0], [1, 1], "22"]},
        {"kind": "circle"},
        {"label": "x" * 81},
        {"label": "a\nb"},
        {"label": 7},
        {"key": 7},
    ],
)
def test_what_is_no_region_is_refused(wrong: dict[str, Any] | None) -> None:
    right = {"key": "region-1", "kind": "polygon", "points": [[0, 0], [1, 1], [1, 0]], "label": ""}
    assert drawn(right).points == ((0, 0), (1, 1), (1, 0))
    assert drawn(right | {"points": []}).points == (), "taken away"
    with pytest.raises(UsageError):
        drawn(None if wrong is None else (right | wrong if wrong else {}))


@pytest.fixture
def marked(run: Run) -> Run:
    with Verdicts(run.verdicts_path) as verdicts:
        key = run.record["id"]
        verdicts.receive(key, [sent("ct-1.dcm"), sent("normal-00.png", region="region-2")], author="ann")
        verdicts.receive(key, [sent("ct-1.dcm", BOX[:3], region="region-3", label="")], author="ben")
        other = Sent(
            key="of-another-file",
            items=(("normal-01.png", "0" * 64),),
            decision=None,
            region=Drawn(region="region-4", kind="polygon", points=BOX),
        )
        verdicts.receive(key, [other], author="ben")
    return run


def test_coco_holds_what_people_drew_with_label_and_name(marked: Run, tmp_path: Path) -> None:
    export(marked, "coco", tmp_path / "t.json")
    content = json.loads((tmp_path / "t.json").read_text())
    names = {each["id"]: each["name"] for each in content["categories"]}
    images = {each["id"]: each["file_name"] for each in content["images"]}
    found = [
        (images[each["image_id"]], names[each["category_id"]], each["attributes"]["author"], each["bbox"], each["area"])
        for each in content["annotations"]
        if "attributes" in each
    ]
    assert sorted(found) == [
        ("ct-1.dcm", "crack", "ann", [10, 20, 20, 20], 400),
        ("ct-1.dcm", "region", "ben", [10, 20, 20, 20], 200),
        ("normal-00.png", "crack", "ann", [10, 20, 20, 20], 400),
    ], "what was drawn on another file of that name is not of this one"
    assert {names[each["category_id"]] for each in content["annotations"] if "attributes" not in each} == {"odd"}


def test_a_category_has_one_number_and_what_lies_beyond_the_image_is_cut(run: Run, tmp_path: Path) -> None:
    beyond, outside = ((10.0, 20.0), (1e7, 20.0), (1e7, 40.0), (10.0, 40.0)), ((1e6, 0.0), (2e6, 0.0), (2e6, 9.0))
    with Verdicts(run.verdicts_path) as verdicts:
        drawn_ones = [
            sent("normal-00.png", beyond, label="odd", key="beyond"),
            sent("normal-00.png", outside, region="region-2", label="odd", key="outside"),
        ]
        assert verdicts.receive(run.record["id"], drawn_ones, author="ann") == [None, None]
    export(run, "coco", tmp_path / "t.json")
    content = json.loads((tmp_path / "t.json").read_text())
    assert [each["name"] for each in content["categories"]] == ["odd"]
    (image,) = [each for each in content["images"] if each["file_name"] == "normal-00.png"]
    (mark,) = [each for each in content["annotations"] if "attributes" in each]
    assert mark["bbox"] == [10, 20, image["width"] - 10, 20]


def test_segmentations_hold_what_people_drew_as_manual_segments(marked: Run, tmp_path: Path) -> None:
    import highdicom as hd

    export(marked, "seg", tmp_path / "out", items=["ct-1.dcm"])
    (file,) = (tmp_path / "out").iterdir()
    found = hd.seg.segread(file)
    described = {each.SegmentLabel: each for each in found.SegmentSequence}
    assert set(described) == {"odd", "crack (ann)", "region (ben)"}
    assert {label: each.SegmentAlgorithmType for label, each in described.items()} == {
        "odd": "AUTOMATIC", "crack (ann)": "MANUAL", "region (ben)": "MANUAL",
    }  # fmt: skip
    source = found.get_source_image_uids()[0][2]
    number = described["crack (ann)"].SegmentNumber
    mask = found.get_pixels_by_source_instance([source], segment_numbers=[number])[0, :, :, 0]
    wanted = np.zeros(mask.shape, bool)
    wanted[20:40, 10:30] = True
    np.testing.assert_array_equal(mask.astype(bool), wanted)
    if shutil.which("dciodvfy"):
        done = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True, check=False)
        assert not [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def test_the_archive_holds_every_version(marked: Run, tmp_path: Path) -> None:
    export(marked, "zip", tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert len(json.loads(archive.read("regions.json"))) == 4
