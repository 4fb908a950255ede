"""`oddpixel watch`: each content of each file is judged once, across restarts too; nothing else is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image as Pillow

from oddpixel.forensics.detect.decide import Rule
from oddpixel.forensics.detect.watch import watch_folder
from oddpixel.forensics.runs.rows import Row
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import RunTable
from oddpixel.forensics.runs.verdicts import Verdicts
from tests.forensics.detect.test_detector import surface
from tests.shared import surfaces


@pytest.fixture(scope="module")
def detector() -> Path:
    return surfaces(24, channels=["density vector"])


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def put(path: Path, seed: int) -> None:
    Pillow.fromarray(surface(seed)).save(path, "PNG")


def watch(watched: Path, detector: Path) -> list[Row]:
    options = {"seconds": 0.05, "until_idle": 0.5}
    arrivals = watch_folder(watched, detector, watched.parent / "run", Rule(alpha=0.1), **options)  # type: ignore[arg-type]
    return [arrival.row for arrival in arrivals]


def test_once_again_when_changed_and_never_under_a_temporary_name(watched: Path, detector: Path) -> None:
    put(watched / "x.png.part", 1)
    put(watched / "y.png", 2)
    assert [row.item for row in watch(watched, detector)] == ["y.png"]
    (watched / "x.png.part").rename(watched / "x.png")
    assert [row.item for row in watch(watched, detector)] == ["x.png"]
    put(watched / "y.png", 3)
    os.utime(watched / "x.png")  # touched, not changed
    (again,) = watch(watched, detector)
    assert again.item == "y.png"
    assert watch(watched, detector) == []
    table = RunTable(Run.open(watched.parent / "run")).rows()
    assert [row.item for row in table] == ["y.png", "x.png", "y.png"]
    assert len({row.sha256 for row in table}) == 3
    assert Run.open(watched.parent / "run").record["left_out"] == []


def test_a_manifest_is_an_error_row_and_nothing_outside_is_read(watched: Path, detector: Path) -> None:
    put(watched.parent / "secret.png", 4)
    (watched / "list.csv").write_text(f"path\n{watched.parent}/secret.png\n")
    os.symlink(watched.parent / "secret.png", watched / "link.png")
    rows = {row.item: row for row in watch(watched, detector)}
    assert {name: row.error.type for name, row in rows.items() if row.error} == {
        "list.csv": "UnsupportedFormat",
        "link.png": "UnsafePath",
    }
    assert watch(watched, detector) == [], "an error row is not repeated"


def test_what_is_left_out_is_kept_in_the_record(watched: Path, detector: Path) -> None:
    put(watched / "x.png.crdownload", 1)
    watch(watched, detector)
    (left_out,) = Run.open(watched.parent / "run").record["left_out"]
    assert (left_out["item"], left_out["reason"]) == ("x.png.crdownload", "under a temporary name")


def test_a_verdict_is_about_the_content_that_was_seen(watched: Path, detector: Path) -> None:
    put(watched / "x.png", 1)
    (first,) = watch(watched, detector)
    run = Run.open(watched.parent / "run")
    with Verdicts(run.verdicts_path) as verdicts:
        verdicts.record_all(run.record["id"], [("x.png", first.sha256)], "odd", author="a", note="")
    put(watched / "x.png", 2)
    watch(watched, detector)
    table = RunTable(run)
    table.note_decisions({"x.png": "odd"}, {"x.png": first.sha256})
    assert [row.decision for row in table.page()] == ["odd", None]
    from oddpixel.forensics.runs.export.exported import Exported

    assert [row.decision for row in Exported.of(run, None, None).rows] == ["odd", None]


def test_a_rate_that_cannot_be_promised_still_ranks(watched: Path, detector: Path) -> None:
    put(watched / "y.png", 2)
    arrivals = list(
        watch_folder(watched, detector, watched.parent / "run", Rule(alpha=0.001), seconds=0.05, until_idle=0.5)
    )
    (arrival,) = arrivals
    assert arrival.row.p_value is not None
    assert not arrival.row.flagged
    assert arrival.promise == ""
    assert "ranked only" in arrival.warnings[0]
    assert Run.open(watched.parent / "run").record["decision"]["warnings"] == list(arrival.warnings)


def test_what_lies_there_is_looked_at_twice_however_short_the_patience(watched: Path, detector: Path) -> None:
    put(watched / "y.png", 2)
    options = {"seconds": 0.3, "until_idle": 0.1}
    arrivals = watch_folder(watched, detector, watched.parent / "run", Rule(alpha=0.1), **options)  # type: ignore[arg-type]
    assert [arrival.row.item for arrival in arrivals] == ["y.png"]
