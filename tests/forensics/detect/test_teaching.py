"""What people decided is learned: normals join the memory, odd ones choose channels where that can be borne, and the promise
stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner

from oddpixel.commands import app
from oddpixel.errors import UsageError
from oddpixel.forensics.detect import store
from oddpixel.forensics.detect.decide import Rule
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.flag import Flagged, Incoming, flag_into
from oddpixel.forensics.detect.fusion import fused
from oddpixel.forensics.detect.teaching import FEWEST_ODD, Lesson, choose_anew, decided_images, teach
from oddpixel.forensics.runs.verdicts import Verdicts
from tests.forensics.detect.test_detector import surface
from tests.test_cli import check_schema


def dented(seed: int) -> np.ndarray:
    grey = surface(seed)
    grey[12:18, 20:26] = 20
    return grey


def smooth(seed: int) -> np.ndarray:
    """A kind of normal that the detector has not seen."""
    rows = np.linspace(90, 160, 40)[:, None]
    return np.clip(rows + np.random.default_rng(seed).normal(0, 3, (40, 40)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    detector = Detector(chooses=False, alpha=0.15).fit([surface(k) for k in range(44)])
    return store.save(detector, tmp_path_factory.mktemp("made") / "d")


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Flagged:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    for k in range(4):
        Pillow.fromarray(smooth(k)).save(incoming / f"smooth-{k}.png")
    for k in range(FEWEST_ODD + 2):
        Pillow.fromarray(dented(700 + k)).save(incoming / f"dented-{k}.png")
    found = flag_into(tmp_path / "run", Incoming(places=(str(incoming),)), folder, Rule(alpha=0.15))
    assert found is not None
    return found


def decide(found: Flagged, **decisions: str) -> None:
    items = [row.item for row in found.rows]
    with Verdicts(found.run.verdicts_path) as verdicts:
        for start, decision in decisions.items():
            named = [item for item in items if item.startswith(start)]
            for item in named:
                verdicts.record(found.run.record["id"], item, decision, author="somebody")


def test_normals_that_were_flagged_become_normals_and_the_calibration_stands(folder: Path, run: Flagged) -> None:
    decide(run, smooth="normal")
    detector = store.load(folder)
    decided = decided_images(run.run)
    assert len(decided.normal) == 4
    before = [detector.judge(image).raw for image in decided.normal]
    calibration = detector.calibrated_.maxima.copy()
    lesson = teach(detector, decided)
    assert lesson.normals == 4
    after = detector.score([smooth(90 + k) for k in range(3)])
    assert after.max() < min(before), "others of their kind look more normal than they did"
    assert (detector.calibrated_.maxima == calibration).all()


def test_what_was_decided_odd_chooses_channels_where_it_can_be_borne(folder: Path) -> None:
    """Odd in one channel only, which the score did not have."""
    detector, lesson, rng = store.load(folder), Lesson(0), np.random.default_rng(0)
    detector.reserves_ = {"encoder vector": 0.0}
    odd = [{**dict.fromkeys(detector.channels_, 0.0), "place patches": 6.0 + rng.normal()} for _ in range(FEWEST_ODD)]
    before = detector.calibrated_
    choose_anew(detector, odd, [f"group-{k}" for k in range(FEWEST_ODD)], lesson, seed=0)
    assert lesson.chosen is not None, lesson.said
    assert "place patches" in detector.reserves_
    after = detector.calibrated_
    assert after.num_groups == before.num_groups - before.num_groups // 2
    assert {row.raw for row in after.rows} == {fused(row.evidence, detector.reserves_) for row in after.rows}
    flagged = [fused(each, detector.reserves_) > after.threshold(detector.guarantee()) for each in odd]
    assert np.mean(flagged) > 0.8
    again = Lesson(0)
    choose_anew(detector, odd, [f"group-{k}" for k in range(FEWEST_ODD)], again, seed=0)
    assert again.chosen is None, "nothing is left to gain"
    detector.alpha = 0.05
    choose_anew(detector, odd, [f"group-{k}" for k in range(FEWEST_ODD)], again, seed=0)
    assert "too small for the promise" in again.said[-1]


def test_too_few_odd_ones_choose_nothing(folder: Path, run: Flagged) -> None:
    decide(run, **{"dented-1": "odd"})
    detector = store.load(folder)
    reserves = dict(detector.reserves_)
    lesson = teach(detector, decided_images(run.run))
    assert detector.reserves_ == reserves
    assert "fewer than" in lesson.said[-1]


def test_a_file_that_changed_is_left_out_and_named(run: Flagged, tmp_path: Path) -> None:
    decide(run, smooth="normal")
    Pillow.fromarray(surface(1)).save(tmp_path / "incoming" / "smooth-0.png")
    decided = decided_images(run.run)
    assert len(decided.normal) == 3
    assert decided.left_out[0].startswith("smooth-0.png")


def test_a_run_without_verdicts_says_so(run: Flagged) -> None:
    with pytest.raises(UsageError, match="nobody has decided"):
        decided_images(run.run)


def test_the_command_writes_a_detector_that_loads(folder: Path, run: Flagged, tmp_path: Path) -> None:
    decide(run, smooth="normal", dented="odd")
    ran = CliRunner().invoke(
        app, ["update", str(folder), "--from-verdicts", str(run.run.path), "-o", str(tmp_path / "new")]
    )
    assert ran.exit_code == 0, ran.output
    assert "4 normals more in memory" in ran.output
    assert "what was decided odd" in ran.output
    printed = CliRunner().invoke(
        app, ["update", str(folder), "--from-verdicts", str(run.run.path), "-o", str(tmp_path / "again"), "--json"]
    )
    check_schema(printed.stdout)
    assert store.load(tmp_path / "new").fitted_on_ != store.load(folder).fitted_on_
