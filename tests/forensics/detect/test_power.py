"""The statement of power: honest shares and intervals, in words that follow from them, kept with the detector and told with the
promise; and the choice of channels, which goes by what is found at few false alarms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image as Pillow

from oddpixel.errors import CorruptWeights
from oddpixel.forensics.detect import power as powers
from oddpixel.forensics.detect import store
from oddpixel.forensics.detect.choice import ALWAYS, best_reserves, found_at_few_alarms
from oddpixel.forensics.detect.decide import Rule
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.flag import Incoming, flag_into
from oddpixel.forensics.detect.fusion import reserve_among, reserve_range
from oddpixel.forensics.detect.power import STRENGTHS, Power, Trial, in_words
from oddpixel.forensics.runs.table import RunTable
from tests.forensics.detect.test_detector import surface


def ladder(kind: str, found: tuple[int, int, int, int], tried: int = 8) -> list[Trial]:
    """So many of each strength with a score of 2, the others with 0."""
    return [
        Trial(kind, strength, 10 * strength, f"group-{k}", 2.0 if k < count else 0.0)
        for strength, count in zip(STRENGTHS, found, strict=True)
        for k in range(tried)
    ]


@pytest.fixture(scope="module")
def detector() -> Detector:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(powers, "KINDS", ("missing-part", "noise"))
        patch.setattr(powers, "MOST_GROUPS", 4)
        return Detector(channels=["encoder vector"]).fit([surface(k) for k in range(44)])


def test_shares_intervals_and_words_follow_from_the_scores() -> None:
    power = Power((*ladder("scratch", (0, 3, 7, 8)), *ladder("missing-part", (8, 2, 7, 8)), *ladder("blur", (0, 0, 1, 4)),
                   *ladder("noise", (0, 0, 0, 1))))  # fmt: skip
    found = power.at(1.0)
    assert [each.found for each in found if each.kind == "scratch"] == [0, 3, 7, 8]
    third = next(each for each in found if each.kind == "scratch" and each.strength == 0.75)
    assert (third.low, third.high) == pytest.approx((0.4735, 0.9968), abs=1e-3)
    words = in_words(found)
    assert "80% or more of scratches from a contrast of 750%, missing parts from 8 pixels across;" in words, (
        "from where on all are"
    )
    assert "less of blurred regions (4 of 8 at a sigma of 10.0 pixels)" in words
    assert "seldom or never noisy regions up to a deviation of 1000.0% (" in words
    assert in_words(power.at(3.0)).startswith("seldom or never ")
    assert "cannot be said" in in_words(Power(tuple(ladder("scratch", (1, 1, 1, 1), tried=2))).at(1.0))
    again = Power.from_table(power.table())
    assert again == power


def test_power_is_measured_on_normals_that_calibrate_and_told_with_the_promise(detector: Detector) -> None:
    assert detector.power_ is not None
    groups = {trial.group for trial in detector.power_.trials}
    assert groups <= set(detector.calibrated_.groups)
    assert len(groups) == 4
    assert len(detector.power_.trials) == 4 * 2 * len(STRENGTHS)
    promised = detector.guarantee()
    assert {each.kind for each in promised.power} == {"missing-part", "noise"}
    found = [each.found for each in promised.power if each.kind == "missing-part"]
    assert found[-1] > found[0], f"more of the stronger is found: {found}"


def test_it_is_kept_and_goes_when_scores_change(detector: Detector, tmp_path: Path) -> None:
    folder = store.save(detector, tmp_path / "d")
    assert "What it finds" in (folder / "README.md").read_text()
    assert json.loads((folder / "detector.json").read_text())["power"]["alpha"] == 0.05
    loaded = store.load(folder)
    assert loaded.power_ == detector.power_
    loaded.update([surface(k) for k in range(900, 903)])
    assert loaded.power_ is None
    assert loaded.guarantee().power == ()
    again = store.load(store.save(loaded, tmp_path / "updated"))
    assert again.power_ is None


@pytest.mark.parametrize("column", ["raw", "kind", "missing"])
def test_a_table_of_trials_that_was_changed_is_refused(detector: Detector, tmp_path: Path, column: str) -> None:
    folder = store.save(detector, tmp_path / "d")
    if column == "missing":
        (folder / "power.parquet").unlink()
    else:
        table = pd.read_parquet(folder / "power.parquet")
        table.loc[0, column] = {"raw": np.inf, "kind": "dragon"}[column]
        table.to_parquet(folder / "power.parquet", index=False)
    with pytest.raises(CorruptWeights, match="power"):
        store.load(folder)


def test_a_run_says_what_would_be_found_where_it_promises_something(detector: Detector, tmp_path: Path) -> None:
    folder, incoming = store.save(detector, tmp_path / "d"), tmp_path / "incoming"
    incoming.mkdir()
    for k in range(6):
        Pillow.fromarray(surface(600 + k)).save(incoming / f"{k}.png")
    given = Incoming(places=(str(incoming),))
    found = flag_into(tmp_path / "run", given, folder, Rule(alpha=0.1))
    assert found is not None
    assert "What it would find" in (found.run.path / "index.html").read_text()
    assert len(found.decision["power"]["cells"]) == 2 * len(STRENGTHS)
    too_few = flag_into(tmp_path / "run", given, folder, Rule(alpha=0.001))
    assert too_few is not None
    assert too_few.decision["power"] is None
    assert len(RunTable(too_few.run).rows()) == 6


def test_the_choice_goes_by_what_is_found_at_few_false_alarms() -> None:
    rng = np.random.default_rng(0)
    normal = [{ALWAYS: a, "sharp": b, "blunt": c} for a, b, c in rng.normal(size=(40, 3))]
    # Half of the odd ones stand out sharply; `blunt` ranks all a little higher and flags none.
    odd = [
        {ALWAYS: a, "sharp": b + (8 if k % 2 else -1), "blunt": c * 0.1 + 1}
        for k, (a, b, c) in enumerate(rng.normal(size=(40, 3)))
    ]
    assert found_at_few_alarms([each["sharp"] for each in normal], [each["sharp"] for each in odd]) >= 0.5
    chosen = best_reserves({ALWAYS: (0.0, 0.0), "sharp": (1.0, 2.0), "blunt": (1.0, 2.0)}, normal, odd)
    assert {ALWAYS, "sharp"} <= set(chosen)
    assert chosen["sharp"] >= 1.0
    assert chosen[ALWAYS] == 0.0


def test_few_normals_leave_more_to_what_sees_the_whole() -> None:
    assert reserve_among(1.0, 8) == 10.0
    assert reserve_among(1.0, 200) == 1.0
    for count in (4, 8, 24, 68, 500):
        least, most = reserve_range(1.0, count)
        assert least <= reserve_among(1.0, count) <= most
