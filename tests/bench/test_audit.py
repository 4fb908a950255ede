"""The audit's benchmark: its images are what they say, and its choices follow from what was measured."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from oddpixel.bench.audit.cases import (
    FORMS,
    HISTORIES,
    MANIPULATIONS,
    OF_JPEGS,
    Source,
    authentic,
    in_all_forms,
    manipulated,
)
from oddpixel.bench.audit.fit import ability, exceeds, lower_bound, scores
from oddpixel.bench.audit.measure import localisation, measure
from oddpixel.bench.audit.plots import PRIORS, cross_entropy, write_plots
from oddpixel.bench.audit.rows import calibrated
from oddpixel.forensics.audit.exhibit import exhibit_of
from oddpixel.forensics.audit.local_edits.camera import photographed
from oddpixel.forensics.audit.nfa import REPORTED
from tests.forensics.audit.images import another, photograph

HOST, DONOR = Source("host", False, photograph()), Source("donor", False, another())
OTHER_HISTORY = ("splice-shifted", "into-jpeg", "other-mosaic")  # these change all of the host first


@pytest.mark.parametrize("kind", list(MANIPULATIONS))
def test_a_manipulation_changes_what_its_mask_says_and_repeats(kind: str) -> None:
    one, two = (next(manipulated(HOST, DONOR, "png", (kind,))) for _ in range(2))
    assert one.content == two.content
    assert one.mask is not None
    assert 0.01 < one.mask.mean() < 0.5
    pixels = np.asarray(Pillow.open(io.BytesIO(one.content)))
    if kind not in OTHER_HISTORY:
        outside = (
            cv2.dilate(one.mask.astype(np.uint8), np.ones((31, 31), np.uint8)) == 0
        )  # soft edges reach a little out
        assert np.array_equal(pixels[outside], HOST.picture[outside])
        assert (pixels[one.mask] != HOST.picture[one.mask]).any(1).mean() > 0.3


def test_what_is_made_of_jpegs_is_made_of_jpegs() -> None:
    plain, of_jpegs = (next(manipulated(HOST, DONOR, "png", (kind,))) for kind in ("copy-move", f"copy-move{OF_JPEGS}"))
    assert exhibit_of(plain.content).gate.stratum == "lossless"
    assert exhibit_of(of_jpegs.content).gate.grid == (0, 0)
    made = [(case.kind, form) for case, form in in_all_forms(HOST, DONOR, ("splice", "into-jpeg"), ("png",))]
    assert made == [(kind, form) for form in FORMS for kind in ("splice", "into-jpeg")] + [(f"splice{OF_JPEGS}", "png")]


def test_histories_land_in_their_strata() -> None:
    strata = {case.kind: exhibit_of(case.content).gate.stratum for case in authentic(HOST)}
    assert strata == {
        "never-jpeg": "lossless", "resized": "lossless", "jpeg-95": "jpeg-high", "jpeg-75-95": "jpeg-high",
        "jpeg-75": "jpeg-middle", "two-jpegs-75": "jpeg-middle", "three-jpegs-80": "jpeg-middle", "jpeg-50": "jpeg-low",
        "jpeg-75-png": "once-jpeg", "webp-80": "lossy-other",
    }  # fmt: skip
    assert list(strata) == list(HISTORIES)


def test_a_simulated_camera_leaves_its_mosaic() -> None:
    taken = Source("camera", True, photographed(photograph(), np.random.default_rng(0)))
    row = measure(next(authentic(taken, ("never-jpeg",))), skip=("copy-move",))
    assert row["findings"]["demosaicing"]["log10_nfa"] <= REPORTED
    assert set(row["findings"]) >= {"plain-error-level", "plain-noise-variance", "jpeg-grid-local"}


def test_localisation_is_never_turned_round() -> None:
    mask = np.zeros((10, 10), bool)
    mask[:5] = True
    assert localisation(mask, mask) == pytest.approx({"f1": 1.0, "mcc": 1.0})
    assert localisation(~mask, mask)["mcc"] == pytest.approx(-1.0)
    assert localisation(~mask, mask)["f1"] == 0.0


def rows(kind: str, values: list[float], *, manipulated: bool = False, nfa: bool = False) -> list[dict[str, Any]]:
    """Measured cases whose noise level is as given, and whose baselines say nothing."""

    def found(statistic: float, log10_nfa: float | None) -> dict[str, Any]:
        return {"statistic": statistic, "log10_nfa": log10_nfa, "about": "manipulation"}

    return [
        {
            "kind": kind, "source": f"{kind}{k}", "stratum": "lossless", "manipulated": manipulated,
            "findings": {
                "noise-level": found(value, -value if nfa else None),
                "plain-error-level": found(1.0, None),
                "plain-noise-variance": found(1.0, None),
            },
        }
        for k, value in enumerate(values)
    ]  # fmt: skip


def test_what_counts_follows_from_the_measurements() -> None:
    normal, changed = rows("never-jpeg", list(np.linspace(0, 1, 40))), rows("blurred", [2.0] * 20, manipulated=True)
    able = ability("noise-level", [*normal, *changed])
    assert (able["kind"], able["auc"], able["baseline"], able["power"]) == ("blurred", 1.0, 0.5, 1.0)
    kept = scores(normal)
    assert set(kept) == {"noise-level"}
    assert kept["noise-level"]["lossless"]["never-jpeg"] == sorted(kept["noise-level"]["lossless"]["never-jpeg"])


def test_a_bound_is_given_up_only_if_chance_cannot_explain_it() -> None:
    assert lower_bound(0, 100) == 0.0
    assert lower_bound(2, 100) > 1e-3 > lower_bound(1, 100)
    one, two = ([5.0] * count + [0.0] * (100 - count) for count in (1, 2))
    assert not exceeds("noise-level", rows("never-jpeg", one, nfa=True))
    assert exceeds("noise-level", rows("never-jpeg", two, nfa=True))
    # One in each of two histories is one a history.
    assert not exceeds("noise-level", rows("never-jpeg", one, nfa=True) + rows("resized", one, nfa=True))


def test_cross_entropy_is_one_bit_at_even_odds_without_evidence_and_none_with_perfect_evidence() -> None:
    truth = np.array([True] * 30 + [False] * 50)
    middle = len(PRIORS) // 2
    nothing = cross_entropy(np.ones(80), truth)
    assert nothing[middle] == pytest.approx(1.0)
    assert nothing[0] < 0.05  # so rare that hardly anything is missing
    assert cross_entropy(np.where(truth, 1e9, 1e-9), truth).max() < 1e-3
    assert cross_entropy(np.where(truth, 0.01, 100.0), truth)[middle] > 5, "misleading evidence is worse than none"


def test_plots_of_ratios_are_written_where_there_are_any(tmp_path: Path) -> None:
    from oddpixel.forensics.audit.calibration import table

    name = sorted(question for question in table().counting("lossless") if calibrated(question))[0]
    seen = {"statistic": 1e9, "log10_nfa": None, "about": "manipulation"}
    cases = [
        {
            "kind": "blurred" if is_manipulated else "never-jpeg", "manipulated": is_manipulated, "stratum": "lossless",
            "source": str(k), "findings": {name: seen if is_manipulated else seen | {"statistic": -1e9}},
        }
        for is_manipulated in (True, False)
        for k in range(5)
    ]  # fmt: skip
    write_plots(cases, tmp_path / "plots.png")
    with Pillow.open(tmp_path / "plots.png") as picture:
        assert picture.size[0] > 300
    write_plots(cases[:5], tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
