"""What runs become elsewhere: spreadsheets run nothing, DICOM objects pass a validator and readers, archives prove themselves."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from oddpixel.errors import UsageError
from oddpixel.forensics.detect.decide import Rule
from oddpixel.forensics.detect.flag import Incoming, flag_into
from oddpixel.forensics.runs.export import export, forms
from oddpixel.forensics.runs.export.csv_table import safe
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.verdicts import Verdicts
from tests.dashboards.conftest import FORMULA, HOSTILE, SLICES, made, run

__all__ = ["made", "run"]


@pytest.fixture
def decided(run: Run) -> Run:
    with Verdicts(run.verdicts_path) as verdicts:
        key = run.record["id"]
        verdicts.record(key, "ct-1.dcm", "odd", author="ann", note="=HYPERLINK(1)")
        verdicts.record(key, HOSTILE, "normal", author="<script>alert(1)</script>")
        verdicts.record(key, "normal-00.png", "odd", author="ann")
        verdicts.undo(key, ["normal-00.png"], author="ann")
    return run


def test_csv_runs_nothing(decided: Run, tmp_path: Path) -> None:
    export(decided, "csv", tmp_path / "t.csv")
    with (tmp_path / "t.csv").open() as file:
        rows = {row["item"]: row for row in csv.DictReader(file)}
    assert "'" + FORMULA in rows
    assert rows["ct-1.dcm"]["note"] == "'=HYPERLINK(1)"
    assert rows["normal-00.png"]["decision"] == "", "taken back"
    for row in rows.values():
        assert not any(value.startswith(("=", "+", "@", "\t", "\r")) for value in row.values())
    assert [safe(value) for value in ("-1", -1.5, "a=b", "@x")] == ["'-1", -1.5, "a=b", "'@x"]


def test_a_verdict_is_of_whoever_gave_it_not_of_whoever_took_another_back(run: Run, tmp_path: Path) -> None:
    with Verdicts(run.verdicts_path) as verdicts:
        key = run.record["id"]
        first = verdicts.record(key, "ct-1.dcm", "normal", author="ann")
        verdicts.record(key, "ct-1.dcm", "unsure", author="ben")
        verdicts.undo(key, ["ct-1.dcm"], author="ben")
        assert verdicts.history(key, "ct-1.dcm")[-1].author == "ben"
    export(run, "csv", tmp_path / "t.csv", items=["ct-1.dcm"])
    with (tmp_path / "t.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["decision"], row["author"]) == ("normal", "ann")
    assert first.at in row.values()


def test_who_decided_otherwise_is_told(run: Run, tmp_path: Path) -> None:
    with Verdicts(run.verdicts_path) as verdicts:
        key = run.record["id"]
        for author, decision in (
            ("ann", "odd"),
            ("ben", "normal"),
            ("carl", "unsure"),
            ("carl", "odd"),
            ("dan", "odd"),
        ):
            verdicts.record(key, "ct-1.dcm", decision, author=author)
        verdicts.record(key, "normal-01.png", "normal", author="ben")
    export(run, "csv", tmp_path / "t.csv")
    with (tmp_path / "t.csv").open() as file:
        others = {row["item"]: row["others"] for row in csv.DictReader(file)}
    assert others["ct-1.dcm"] == "ben: normal"
    assert others["normal-01.png"] == ""
    export(run, "html", tmp_path / "t.html")
    assert "(ben: normal)" in (tmp_path / "t.html").read_text()


def test_an_earlier_export_is_replaced_where_that_is_wanted(decided: Run, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("old")
    with pytest.raises(UsageError, match="--overwrite"):
        export(decided, "csv", path)
    export(decided, "csv", path, overwrite=True)
    assert "ct-1.dcm" in path.read_text()
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    with pytest.raises(UsageError):
        export(decided, "csv", link, overwrite=True)


def test_parquet_keeps_types(decided: Run, tmp_path: Path) -> None:
    export(decided, "parquet", tmp_path / "t.parquet", items=["ct-1.dcm", "normal-01.png"])
    table = pd.read_parquet(tmp_path / "t.parquet").set_index("item")
    assert list(table.index) == ["ct-1.dcm", "normal-01.png"]
    assert table.loc["ct-1.dcm", "decision"] == "odd"
    assert table["raw"].dtype == "Float64"


def test_coco_marks_what_the_map_marks(decided: Run, tmp_path: Path) -> None:
    left_out = export(decided, "coco", tmp_path / "t.json")
    content = json.loads((tmp_path / "t.json").read_text())
    assert left_out == ["zz-broken.png could not be read"]
    images = {each["id"]: each for each in content["images"]}
    assert content["annotations"], "the odd ones bear marks"
    for each in content["annotations"]:
        x, y, wide, high = each["bbox"]
        assert 0 <= x <= x + wide <= images[each["image_id"]]["width"]
        assert 0 <= y <= y + high <= images[each["image_id"]]["height"]
    assert {each["file_name"]: each["attributes"]["decision"] for each in images.values()}[HOSTILE] == "normal"


def test_cvat_has_marks_as_polygons_and_decisions_as_tags(decided: Run, tmp_path: Path) -> None:
    assert export(decided, "cvat", tmp_path / "t.xml") == ["zz-broken.png could not be read"]
    root = ElementTree.parse(tmp_path / "t.xml").getroot()
    images = {image.get("name"): image for image in root.iter("image")}
    tags = {name: [tag.get("label") for tag in image.iter("tag")] for name, image in images.items()}
    assert tags["ct-1.dcm"] == ["odd"]
    assert tags[HOSTILE] == ["normal"]
    assert tags["normal-00.png"] == []
    marks = [(image, mark) for image in images.values() for mark in image.iter("polygon")]
    assert marks, "the odd ones bear marks"
    labels = {label.text for label in root.iter("name")}
    for image, mark in marks:
        points = [[float(value) for value in point.split(",")] for point in mark.get("points", "").split(";")]
        assert len(points) >= 3
        assert all(0 <= x <= int(image.get("width", 0)) and 0 <= y <= int(image.get("height", 0)) for x, y in points)
        assert mark.get("label") in labels
    assert labels >= {"odd", "normal", "unsure"}


def test_fiftyone_has_scores_decisions_and_marks_as_fields(decided: Run, tmp_path: Path) -> None:
    left_out = export(decided, "fiftyone", tmp_path / "set")
    assert "zz-broken.png could not be read" in left_out
    assert {"ct-1.dcm is no picture of a kind that FiftyOne shows, by its suffix"} <= set(left_out)
    samples = {each["filepath"]: each for each in json.loads((tmp_path / "set/samples.json").read_text())["samples"]}
    assert samples[HOSTILE]["decision"]["label"] == "normal"
    assert "decision" not in samples["normal-00.png"], "taken back"
    marks = [mark for each in samples.values() for mark in each["marks"]["polylines"]]
    assert marks, "the odd ones bear marks"
    assert all(0 <= value <= 1 for mark in marks for point in mark["points"][0] for value in point)
    assert {name for name, each in samples.items() if each["tags"]} == {
        name for name, each in samples.items() if each["flagged"]
    }
    info = json.loads((tmp_path / "set/metadata.json").read_text())["info"]
    assert info["run"] == decided.record["id"]


def test_label_studio_has_marks_in_percent_and_decisions_of_people(decided: Run, tmp_path: Path) -> None:
    left_out = export(decided, "label-studio", tmp_path / "t.json")
    tasks = {task["data"]["image"]: task for task in json.loads((tmp_path / "t.json").read_text())}
    assert left_out == ["zz-broken.png could not be read"]
    marks = [each for task in tasks.values() for each in task["predictions"][0]["result"] if "points" in each["value"]]
    assert marks, "the odd ones bear marks"
    for each in marks:
        assert all(0 <= value <= 100 for point in each["value"]["points"] for value in point)
        assert len(each["value"]["points"]) >= 3
    flagged = {name: task["predictions"][0]["result"][-1]["value"]["choices"] for name, task in tasks.items()}
    assert {name for name, choices in flagged.items() if choices == ["odd"]} == {
        name for name, task in tasks.items() if task["meta"]["flagged"]
    }
    assert tasks["ct-1.dcm"]["annotations"][0]["result"][0]["value"]["choices"] == ["odd"]
    assert "annotations" not in tasks["normal-00.png"], "taken back"


def test_the_page_holds_decisions_as_text(decided: Run, tmp_path: Path) -> None:
    export(decided, "html", tmp_path / "t.html")
    page = (tmp_path / "t.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<img src=x" not in page
    assert "unbroken" in page


def test_the_archive_proves_itself_and_repeats(decided: Run, tmp_path: Path) -> None:
    export(decided, "zip", tmp_path / "a.zip")
    export(decided, "zip", tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert set(manifest["files"]) | {"manifest.json"} == set(archive.namelist())
        for name, digest in manifest["files"].items():
            assert hashlib.sha256(archive.read(name)).hexdigest() == digest
        assert manifest["log"]["ok"]
        assert len(json.loads(archive.read("verdicts.json"))) == 4


@pytest.mark.parametrize(("form", "kind"), [("seg", "Segmentation"), ("sr", "Comprehensive3DSR"), ("sc", "SCImage")])
def test_dicom_objects_pass_a_validator_and_readers(decided: Run, tmp_path: Path, form: str, kind: str) -> None:
    import highdicom as hd
    import pydicom

    left_out = export(decided, form, tmp_path / "out")
    files = sorted((tmp_path / "out").iterdir())
    assert len(files) == SLICES, left_out
    assert any("is not a DICOM file" in sentence for sentence in left_out)
    for file in files:
        data = pydicom.dcmread(file)
        assert data.PatientID == "SECRET-42", "results belong to the patient's study"
        assert data.StudyInstanceUID == "1.2.3"
    assert shutil.which("dciodvfy") or not os.environ.get("ODDPIXEL_REQUIRE_DCIODVFY"), "apt-get install dicom3tools"
    if shutil.which("dciodvfy"):
        for file in files:
            done = subprocess.run(["dciodvfy", "-new", str(file)], capture_output=True, text=True, check=False)
            report = done.stdout + done.stderr
            assert kind in report
            errors = [line for line in report.splitlines() if line.startswith("Error")]
            assert not errors, errors
    if form == "seg":
        made = [pydicom.dcmread(file) for file in files]
        groups = [
            g for data in made for g in (*data.SharedFunctionalGroupsSequence, *data.PerFrameFunctionalGroupsSequence)
        ]
        measures = [item for group in groups for item in group.get("PixelMeasuresSequence") or ()]
        assert len(measures) == SLICES
        assert {each.SliceThickness for each in measures} == {3}
        assert not any("SpacingBetweenSlices" in each for each in measures), "the source does not say it"
        found = hd.seg.segread(files[0])
        assert found.get_total_pixel_matrix().any() if found.is_tiled else found.pixel_array.any()
    if form == "sr":
        values = [
            group.get_qualitative_evaluations()
            for group in hd.sr.srread(files[1]).content.get_image_measurement_groups()
        ]
        assert {each.value.meaning for group in values for each in group} == {"Flagged", "Odd"}
        told = [str(each.value) for each in pydicom.dcmread(files[1]).iterall() if each.keyword == "TextValue"]
        promise = decided.record["decision"]["promise"] or "nothing is promised about false alarms"
        assert f"promise: {promise}" in told
    if form == "sc":
        assert np.ptp(pydicom.dcmread(files[0]).pixel_array.astype(int)) > 100
    export(decided, form, tmp_path / "again")
    first = [pydicom.dcmread(file).SOPInstanceUID for file in files]
    assert first == [pydicom.dcmread(file).SOPInstanceUID for file in sorted((tmp_path / "again").iterdir())]


def test_distances_of_slices_are_those_of_the_source() -> None:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence

    from oddpixel.forensics.runs.export.dicom_seg import _measure_as

    def measured(**source: float) -> dict[str, float]:
        item, group, made, original = Dataset(), Dataset(), Dataset(), Dataset()
        item.SpacingBetweenSlices, item.SliceThickness = 1.0, 1.0
        group.PixelMeasuresSequence = Sequence([item])
        made.SharedFunctionalGroupsSequence, made.PerFrameFunctionalGroupsSequence = (
            Sequence([group]),
            Sequence([Dataset()]),
        )
        for name, value in source.items():
            setattr(original, name, value)
        _measure_as(made, original)
        return {element.keyword: float(element.value) for element in item}

    assert measured() == {}
    assert measured(SliceThickness=5) == {"SliceThickness": 5}
    assert measured(SliceThickness=5, SpacingBetweenSlices=2.5) == {"SliceThickness": 5, "SpacingBetweenSlices": 2.5}


def test_an_original_without_what_a_result_repeats_is_named_with_the_element(made: Path, tmp_path: Path) -> None:
    import pydicom

    folder = tmp_path / "in"
    folder.mkdir()
    for k in range(7):
        data = pydicom.dcmread(made / f"incoming/ct-{k % SLICES}.dcm")
        del data.PatientBirthDate
        data.InstanceNumber = 100 + k
        data.save_as(folder / f"{k}.dcm")
    found = flag_into(tmp_path / "run", Incoming(places=(str(folder),)), made / "detector", Rule(alpha=0.1))
    assert found is not None
    with pytest.raises(UsageError) as caught:
        export(found.run, "sr", tmp_path / "out")
    message = str(caught.value)
    assert "7 items left out: " in message
    assert message.count("its header lacks PatientBirthDate") == 5
    assert message.endswith("; and 2 more")
    assert "object has no attribute" not in message


def test_what_cannot_be_exported_leaves_nothing(decided: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to export"):
        export(decided, "seg", tmp_path / "none", items=["normal-01.png"])
    with pytest.raises(UsageError, match="no form"):
        export(decided, "xls", tmp_path / "none")
    (tmp_path / "there").write_text("kept")
    with pytest.raises(UsageError, match="there already"):
        export(decided, "csv", tmp_path / "there")
    assert (tmp_path / "there").read_text() == "kept"
    assert not (tmp_path / "none").exists()
    assert set(forms()) == {
        "csv",
        "parquet",
        "coco",
        "cvat",
        "fiftyone",
        "html",
        "label-studio",
        "zip",
        "seg",
        "sr",
        "sc",
    }
