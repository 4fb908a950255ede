"""A run that is taken up again judges what the files are now, whatever they were."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from oddpixel.datasets.source import open_source
from oddpixel.errors import RunError
from oddpixel.forensics.audit.audited import Options
from oddpixel.forensics.audit.run import audit_into
from oddpixel.forensics.detect import store
from oddpixel.forensics.detect.decide import Rule
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.flag import Flagged, Incoming, flag_into
from oddpixel.forensics.inspection.inspect import inspect_into
from tests.forensics.detect.test_detector import ODD, surface
from tests.shared import surfaces


@pytest.fixture(scope="module")
def detector() -> Path:
    return surfaces(24)


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    for k in range(5):
        Pillow.fromarray(surface(600 + k)).save(folder / f"{k}.png")
    return folder


def flagged(incoming: Path, detector: Path, out: Path, *places: str, **options: float) -> Flagged:
    given = Incoming(places=places or (str(incoming),))
    found = flag_into(out, given, detector, Rule(**{"alpha": 0.2, **options}), shard_size=2)
    assert found is not None
    return found


def raw(found: Flagged, item: str) -> float:
    return float(next(row.raw for row in found.rows if row.item == item))


def replaced(path: Path, picture: np.ndarray, *, keeps_its_times: bool) -> None:
    before = path.stat()
    Pillow.fromarray(picture).save(path)
    if keeps_its_times:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("keeps_its_times", [False, True])
@pytest.mark.parametrize("alpha", [0.2, 0.1])
def test_a_replaced_file_is_judged_again(
    keeps_its_times: bool,
    alpha: float,
    incoming: Path,
    detector: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = flagged(incoming, detector, tmp_path / "run")
    parts = {part: part.stat().st_mtime_ns for part in before.run.parts()}
    replaced(incoming / "3.png", ODD["noise"], keeps_its_times=keeps_its_times)
    after = flagged(incoming, detector, tmp_path / "run", alpha=alpha)
    fresh = flagged(incoming, detector, tmp_path / "fresh", alpha=alpha)
    assert raw(after, "3.png") == pytest.approx(raw(fresh, "3.png"))
    assert raw(after, "3.png") > raw(before, "3.png")
    assert "1 file judged again, changed since the last time: 3.png" in caplog.text
    assert after.run.record["finished"] is not None
    assert len(after.rows) == 5
    assert set(parts) == set(after.run.parts())


def test_what_has_not_changed_is_not_scored_again(
    incoming: Path, detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    flagged(incoming, detector, tmp_path / "run")
    os.utime(incoming / "1.png")  # touched, with the same bytes
    judged: list[str] = []
    judge = Detector.judge
    monkeypatch.setattr(Detector, "judge", lambda self, image: judged.append(image.source) or judge(self, image))
    flagged(incoming, detector, tmp_path / "run", alpha=0.1)
    assert set(judged) <= {"trial"}  # a detector is tried out when it is loaded
    assert "changed" not in caplog.text


def test_runs_without_stamps_go_by_the_bytes(incoming: Path, detector: Path, tmp_path: Path) -> None:
    found = flagged(incoming, detector, tmp_path / "run")
    shutil.rmtree(found.run.path / "stamps")
    Pillow.fromarray(ODD["noise"]).save(incoming / "0.png")
    after = flagged(incoming, detector, tmp_path / "run")
    assert raw(after, "0.png") > raw(found, "0.png")


def test_another_group_is_another_run(incoming: Path, detector: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("path,group\n" + "".join(f"incoming/{k}.png,a\n" for k in range(5)))
    flagged(incoming, detector, tmp_path / "run", str(table))
    table.write_text("path,group\n" + "".join(f"incoming/{k}.png,{'ab'[k > 2]}\n" for k in range(5)))
    with pytest.raises(RunError, match="inputs are not those"):
        flagged(incoming, detector, tmp_path / "run", str(table))


def test_an_audit_looks_at_the_bytes_again(incoming: Path, tmp_path: Path) -> None:
    options = Options(checks="jpeg-grid", aids=False)
    first = audit_into(tmp_path / "audit", (str(incoming),), options).items
    Pillow.fromarray(ODD["noise"]).save(incoming / "2.png")
    second = audit_into(tmp_path / "audit", (str(incoming),), options).items
    changed = [a["item"] for a, b in zip(first, second, strict=True) if a["sha256"] != b["sha256"]]
    assert changed == ["2.png"]


def test_an_inspection_that_was_cut_off_does_too(incoming: Path, tmp_path: Path) -> None:
    source = open_source(incoming)
    inspect_into(tmp_path / "run", source, shard_size=2)
    run_json = tmp_path / "run/run.json"
    run_json.write_text(run_json.read_text().replace('"finished": "', '"finished": null, "was": "'))
    (tmp_path / "run/scores/part-00002.parquet").unlink()
    Pillow.fromarray(ODD["noise"]).save(incoming / "0.png")
    items = inspect_into(tmp_path / "run", open_source(incoming), shard_size=2)
    fresh = inspect_into(tmp_path / "fresh", open_source(incoming), shard_size=2)
    assert [item["pixels_sha256"] for item in items] == [item["pixels_sha256"] for item in fresh]


def test_images_that_the_detector_was_made_from_are_named(detector: Path, tmp_path: Path) -> None:
    folder = tmp_path / "seen"
    folder.mkdir()
    for k in range(3):
        Pillow.fromarray(surface(600 + k)).save(folder / f"{k}.png")
    assert not flagged(folder, detector, tmp_path / "run").decision["warnings"]
    mine = tmp_path / "mine"
    store.save(Detector(chooses=False).fit(open_source(folder, incoming_normals(tmp_path))), mine)
    warnings = flagged(folder, mine, tmp_path / "again").decision["warnings"]
    assert any("fitted to or calibrated on 3 of 3 images" in warning for warning in warnings)


def incoming_normals(tmp_path: Path) -> Path:
    folder = tmp_path / "normals"
    folder.mkdir()
    for k in range(21):
        Pillow.fromarray(surface(700 + k)).save(folder / f"{k}.png")
    return folder
