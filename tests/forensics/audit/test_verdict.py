"""From findings to a verdict: error rates under dependence, what never counts, bounds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from oddpixel.forensics.audit.calibration import Calibration, table
from oddpixel.forensics.audit.facts import Fact
from oddpixel.forensics.audit.finding import Finding, Status
from oddpixel.forensics.audit.gate import Gate
from oddpixel.forensics.audit.verdict import adjusted, decide, holm, weights

GATE = Gate(480, 400, "PNG", None, None, 0, 1.0, 0.8)
FUSED = {"fused": True, "because": ""}
KNOWN = Calibration(
    {
        "scores": {"noise-level": {"lossless": {"never-jpeg": [1.0, 2.0, 3.0, 4.0], "resized": [0.5, 1.5, 2.5]}}},
        "audited": {name: {"lossless": FUSED} for name in ("a", "b", "c", "jpeg-grid-local", "noise-level", "density")},
        "likelihood_ratio": {"lossless": {"slope": 4.0, "intercept": -1.0, "bound": [0.3, 25.0], "n": [100, 200]}},
        "power": {"lossless": [{"manipulation": "splice", "found": 3, "n": 10}]},
    }
)


def by_nfa(name: str, log10: float) -> Finding:
    return Finding(name, "evidence" if log10 <= -3 else "no-evidence", statistic=-log10, log10_nfa=log10, because="x")


def by_rank(name: str, p: float, about: Any = "manipulation") -> Finding:
    return Finding(name, "no-evidence", statistic=1.0, p_value=p, because="x", about=about)


def test_p_is_the_largest_over_histories_and_never_below_its_resolution() -> None:
    assert KNOWN.p_value("noise-level", "lossless", 2.0) == (max((1 + 3) / 5, (1 + 1) / 4), 4)
    assert KNOWN.p_value("noise-level", "lossless", 100.0) == (1 / 4, 3)
    assert KNOWN.p_value("noise-level", "jpeg-low", 1.0) is None


def test_holm_keeps_its_level_under_any_dependence_and_taking_the_smallest_would_not() -> None:
    random = np.random.default_rng(0)
    kept, broken, draws, alpha = 0, 0, 4000, 0.05
    for _ in range(draws):
        shared = random.random()
        p = [shared if random.random() < 0.5 else random.random() for _ in range(5)]
        found = [by_rank(name, each) for name, each in zip("abcde", p, strict=True)]
        kept += (holm(found) or 1.0) <= alpha
        broken += min(p) <= alpha
    assert kept / draws <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / draws)
    assert broken / draws > 2 * alpha


def test_tests_that_bound_themselves_take_a_small_share() -> None:
    found = [by_nfa("a", -4.0), by_rank("b", 0.03), by_rank("c", 0.5)]
    assert weights(found) == pytest.approx([0.1, 0.45, 0.45])
    assert adjusted(found)[0] == pytest.approx(1e-3)
    assert adjusted(found)[1] == pytest.approx(0.03 * 0.9 / 0.45)


def test_history_never_counts() -> None:
    history = replace(by_nfa("jpeg-grid-local", -300.0), about="history")
    verdict = decide(GATE, [], [history, by_rank("a", 0.6)], calibration=KNOWN)
    assert verdict.label == "no evidence found"
    assert decide(GATE, [], [history], calibration=KNOWN).label == "inconclusive"


def test_what_was_not_audited_never_counts() -> None:
    verdict = decide(GATE, [], [by_nfa("unheard-of", -10.0), by_rank("a", 0.6)], calibration=KNOWN)
    assert verdict.label == "no evidence found"


def test_what_was_not_audited_is_not_passed_over_where_it_is_loud() -> None:
    """It never convicts, but "no evidence found" would not be true."""
    verdict = decide(GATE, [], [by_nfa("unheard-of", -300.0), by_rank("a", 0.6)], calibration=KNOWN)
    assert verdict.label == "inconclusive"
    assert any("unheard-of" in reason and "does not decide" in reason for reason in verdict.because)
    assert any("not audited on images of this kind" in reason for reason in verdict.because)
    assert verdict.likelihood_ratio is None, "it would speak against what one is asked to look at"
    assert verdict.p_value == decide(GATE, [], [by_rank("a", 0.6)], calibration=KNOWN).p_value


def test_labels() -> None:
    part = by_nfa("jpeg-grid-local", -30.0)
    assert decide(GATE, [], [part], calibration=KNOWN).label == "evidence of manipulation"
    odd = by_rank("density", 0.001, about="anomaly")
    assert decide(GATE, [], [odd], calibration=KNOWN).label == "anomalous, cause unknown"
    signed = Fact("C2PA", "trusted", "as signed")
    assert decide(GATE, [signed], [], calibration=KNOWN).label == "provenance verified"
    said = Fact("PNG text parameters", "a cat", declares="synthetic")
    assert decide(GATE, [said], [], calibration=KNOWN).label == "declared synthetic"
    unclear = replace(GATE, blockiness=3.0)
    assert decide(unclear, [], [by_rank("a", 0.6)], calibration=KNOWN).label == "inconclusive"
    assert decide(unclear, [], [part], calibration=KNOWN).label == "evidence of manipulation"


def test_a_trusted_signature_does_not_hide_what_the_tests_find() -> None:
    signed = Fact("C2PA", "trusted", "as signed")
    verdict = decide(GATE, [signed], [by_nfa("jpeg-grid-local", -30.0)], calibration=KNOWN)
    assert any("jpeg-grid-local" in reason for reason in verdict.because)


def test_the_likelihood_ratio_stays_within_its_bounds_and_words_follow() -> None:
    others = [
        Finding(name, "not-applicable", because="x") for name in KNOWN.counting("lossless") - {"jpeg-grid-local", "a"}
    ]
    quiet = by_nfa("jpeg-grid-local", 0.0)
    strong = decide(
        GATE, [], [*others, by_nfa("jpeg-grid-local", -300.0), by_rank("a", 0.9)], calibration=KNOWN
    ).likelihood_ratio
    weak = decide(GATE, [], [*others, quiet, by_rank("a", 0.9)], calibration=KNOWN).likelihood_ratio
    assert strong is not None
    assert weak is not None
    assert (strong.value, weak.value) == (25.0, 0.3)
    assert strong.words.startswith("moderate support")
    assert "second" in weak.words


def test_power_is_said_or_its_absence() -> None:
    assert "3 of 10" in decide(GATE, [], [], calibration=KNOWN).power
    assert "not measured" in decide(replace(GATE, quality=30), [], [], calibration=KNOWN).power


def test_with_fewer_checks_than_were_measured_there_is_no_ratio_and_the_power_says_so() -> None:
    verdict = decide(GATE, [], [by_rank("a", 0.9)], calibration=KNOWN)
    assert verdict.likelihood_ratio is None
    assert "not run here" in verdict.power
    assert "jpeg-grid-local" in verdict.power


def test_nothing_is_ever_called_authentic() -> None:

    from oddpixel.forensics.audit.labels import Label

    assert not any("authentic" in label for label in Label)


def test_the_calibration_that_ships_is_whole() -> None:
    known = table()
    assert known.record["sources"] >= 100
    for name, strata in known.record["scores"].items():
        for stratum, histories in strata.items():
            for kind, scores in histories.items():
                assert scores == sorted(scores), (name, stratum, kind)
    assert all(
        0 < low <= 1 <= high < 1000 for low, high in (r["bound"] for r in known.record["likelihood_ratio"].values())
    )


def test_bounds_of_likelihood_ratios_grow_with_the_calibration() -> None:
    """Two Gaussians two deviations apart: as a published toolkit bounds them, between 10 and 200 for 30 to 3,000 cases."""
    from oddpixel.bench.audit.fit import bounds

    random = np.random.default_rng(0)
    highs = []
    for n in (30, 300, 3000):
        first, second = random.normal(2, 1, n), random.normal(0, 1, n)
        log10 = [(2 * values - 2) / np.log(10) for values in (first, second)]  # the exact log10 LR
        highs.append(bounds(*log10)[1])
    assert highs == sorted(highs)
    assert 8 < highs[0] < 60
    assert 60 < highs[2] < 400


def test_cllr_of_knowing_nothing_is_one() -> None:
    from oddpixel.bench.audit.tables import cllr

    assert cllr(np.ones(5), np.ones(7)) == 1.0
    assert cllr(np.full(5, 100.0), np.full(7, 0.01)) < 0.02


@pytest.mark.parametrize(
    ("regions", "said"),
    [
        ([], "a: x"),
        ([[1, 2, 3, 4]], "a: x, rows 1 to 3, columns 2 to 4"),
        ([[1, 2, 3, 4], [5, 6, 7, 8]], "a: x, rows 1 to 3, columns 2 to 4 and rows 5 to 7, columns 6 to 8"),
        ([[1, 2, 3, 4], [5, 6, 7, 8], [0, 0, 9, 9]], "rows 5 to 7, columns 6 to 8, and 1 more place"),
        ([[1, 2, 3, 4]] * 6, "and 4 more places"),
    ],
)
def test_a_copied_part_is_told_with_both_of_its_places(regions: list[list[int]], said: str) -> None:
    finding = replace(by_nfa("a", -9.0), details={"regions": regions})
    verdict = decide(GATE, [], [finding], calibration=KNOWN)
    assert verdict.label == "evidence of manipulation"
    assert verdict.because[0].endswith(said)


def test_a_whole_image_is_not_odd_for_being_large() -> None:
    """The largest of many authentic tiles is larger; what is ranked is how rare it is among as many."""
    from oddpixel.bench.audit.fit import FULL_SIZE, compare_sizes, scores, tails

    random = np.random.default_rng(0)
    where = f"lossless{FULL_SIZE}"

    def photographs(sizes: Iterable[int]) -> list[dict[str, Any]]:
        rows = []
        for k, size in enumerate(map(int, sizes)):
            tiles = random.exponential(size=size).tolist()
            found = {
                "statistic": max(tiles),
                "tiles": tiles,
                "num_tiles": size,
                "about": "manipulation",
                "log10_nfa": None,
            }
            rows.append({"kind": "never-jpeg", "source": str(k), "stratum": where, "findings": {"noise-level": found}})
        return rows

    reference, small, large = (photographs(sizes) for sizes in (random.integers(2, 40, 150), [3] * 300, [60] * 300))
    known = Calibration({"tails": tails(reference)})
    compare_sizes(reference, known)
    known = Calibration(known.record | {"scores": scores(reference)})
    for rows in (small, large):
        compare_sizes(rows, known)
        p = [known.p_value("noise-level", where, row["findings"]["noise-level"]["statistic"]) for row in rows]
        alarms = sum(value is not None and value[0] <= 0.05 for value in p)
        assert 3 <= alarms <= 30, "5 % of them, whatever their size"
    loud = known.oddness("noise-level", where, 15.0, 60)
    assert (known.p_value("noise-level", where, loud) or (1, 0))[0] == pytest.approx(1 / 151)


def test_tests_share_the_level_so_that_no_kind_is_given_up() -> None:
    from oddpixel.bench.audit.fit import best_shares

    names = ["noise-level", "local-edits"]

    def row(kind: str, seen: list[str]) -> dict[str, Any]:
        values = {name: 9.0 if name in seen else 0.0 for name in names}
        found = {name: {"statistic": v, "log10_nfa": None, "about": "manipulation"} for name, v in values.items()}
        return {"kind": kind, "manipulated": True, "stratum": "lossless", "findings": found}

    def shares(num_photographs: int, rows: list[dict[str, Any]]) -> dict[str, float]:
        scored = {name: {"lossless": {"never-jpeg": [0.0] * num_photographs}} for name in names}
        return best_shares(names, [], rows, "lossless", Calibration({"scores": scored}))

    apart = [row("splice", ["noise-level"])] * 12 + [row("blurred", ["local-edits"])] * 12
    assert sum(shares(120, apart).values()) == pytest.approx(1)
    assert set(shares(120, apart)) == set(names)
    assert len(shares(30, apart)) == 1, "the smallest p of thirty photographs does not reach half of the level"
    assert len(shares(120, [row("splice", names)] * 12)) == 1, "the other finds nothing more"
    assert shares(120, [row("splice", [])] * 12) == {}
    assert shares(120, apart[:3]) == {}


def test_shares_that_were_chosen_weigh_and_those_of_absent_tests_are_dealt_out() -> None:
    specialist, broad = by_rank("a", 0.004), by_rank("b", 0.04)
    chosen = [replace(specialist, share=0.1), replace(broad, share=0.9)]
    assert weights(chosen) == pytest.approx([0.1, 0.9])
    assert adjusted(chosen)[0] == pytest.approx(0.04)
    assert weights(chosen[:1]) == [1.0]
    assert weights([replace(specialist, share=0.1), replace(broad, share=0.3)]) == pytest.approx([0.25, 0.75])


def test_what_decides_is_evidence_and_nothing_else_that_counts_is() -> None:
    from oddpixel.forensics.audit.verdict import settled

    weak, strong = by_rank("a", 0.03), by_rank("b", 0.8)
    assert weak.status == strong.status == "no-evidence"
    alone = settled([weak], GATE, 0.05, KNOWN)
    assert [each.status for each in alone] == ["evidence"], "a level of its own would have called it nothing"
    assert decide(GATE, [], alone, calibration=KNOWN).label == "evidence of manipulation"
    bound = by_nfa("jpeg-grid-local", -3.2)
    strict = settled([bound, strong], GATE, 1e-4, KNOWN)
    assert [each.status for each in strict] == ["no-evidence", "no-evidence"]
    assert decide(GATE, [], strict, 1e-4, KNOWN).label == "no evidence found"
    uncounted = replace(by_rank("not-audited", 0.001), status="evidence", map=np.ones((4, 4), np.float32))
    kept = settled([uncounted, replace(strong, map=np.ones((4, 4), np.float32))], GATE, 0.05, KNOWN)
    assert kept[0].status == "evidence", "what does not count keeps its own level"
    assert kept[0].map is not None
    assert kept[1].map is None


def test_shares_are_chosen_by_what_the_verdict_itself_would_find() -> None:
    from oddpixel.bench.audit.fit import _found
    from oddpixel.bench.audit.rows import LEVEL

    random = np.random.default_rng(0)
    ranked, own = 10 ** random.uniform(-4, 0, (300, 3)), 10 ** random.uniform(-5, 0, (300, 2))
    for p in (ranked, own):
        p[random.random(p.shape) < 0.3] = np.nan
    way = np.array([6, 0, 4])
    hits = []
    for row, others in zip(ranked, own, strict=True):
        findings = [
            replace(by_rank(f"r{k}", p), share=way[k] / 10) for k, p in enumerate(row) if way[k] and not np.isnan(p)
        ] + [Finding(f"b{k}", "no-evidence", log10_nfa=float(np.log10(p))) for k, p in enumerate(others) if p == p]
        hits.append((holm(findings) or 1.0) <= LEVEL)
    (found,) = _found(way, ranked, own, np.array(["splice"] * 300), ["splice"])
    assert found == pytest.approx(np.mean(hits))
    assert 0.05 < found < 0.95


LASTING = {
    "lossless": {"found": 10, "n": 15, "counts": True},
    "resized": {"found": 154, "n": 209, "counts": False},
    "jpeg-middle": {"found": 68, "n": 104, "counts": False},
}
LOSSY = Calibration(KNOWN.record | {"lasting": LASTING})


def every(*others: Finding) -> list[Finding]:
    """All findings that count in lossless files, none of them evidence; and others."""
    return [*(by_rank(name, 0.6) for name in sorted(KNOWN.counting("lossless"))), *others]


def resampling(statistic: float | None, name: str = "resampling") -> Finding:
    status: Status = "not-applicable" if statistic is None else "evidence" if statistic > 0 else "no-evidence"
    return Finding(name, status, statistic, about="history", because="x")


def test_silence_counts_only_where_traces_last() -> None:
    intact = decide(GATE, [], every(resampling(0.0)), calibration=LOSSY)
    assert intact.label == "no evidence found"
    resized = decide(GATE, [], every(resampling(9.0)), calibration=LOSSY)
    assert resized.label == "inconclusive"
    assert "of 209 manipulations" in resized.because[0]
    assert "154" in resized.because[0]
    partly = decide(GATE, [], every(resampling(0.0), resampling(9.0, "resampling-local")), calibration=LOSSY)
    assert partly.because == resized.because, "few blocks show the peak of a resized picture without much detail"
    small = decide(GATE, [], every(resampling(None)), calibration=LOSSY)
    assert small.label == "inconclusive"
    assert "cannot be told" in small.because[0]


def test_a_small_jpeg_is_a_jpeg() -> None:
    """Only of lossless files it would matter whether they were resized."""
    counting = {name: {"jpeg-middle": FUSED, **strata} for name, strata in KNOWN.record["audited"].items()}
    known = Calibration(LOSSY.record | {"audited": counting})
    small = decide(replace(GATE, quality=80), [], every(resampling(None)), calibration=known)
    assert small.label == "inconclusive"
    assert small.because[0].startswith("nothing was found, but it is a JPEG of quality 70 to 89; of 104 manipulations")


@pytest.mark.parametrize(
    ("first", "label"),
    [(None, "no evidence found"), (95, "no evidence found"), (80, "inconclusive"), (30, "inconclusive")],
)
def test_an_earlier_jpeg_is_a_part_of_the_history(first: int | None, label: str) -> None:
    counting = {name: {"jpeg-high": FUSED, **strata} for name, strata in KNOWN.record["audited"].items()}
    known = Calibration(LOSSY.record | {"audited": counting})
    twice = Finding(
        "double-jpeg", "no-evidence", 0.5, about="history", details={} if first is None else {"first_quality": first}
    )
    verdict = decide(replace(GATE, quality=95), [], every(resampling(0.0), twice), calibration=known)
    assert verdict.label == label
    if first is not None and label == "inconclusive":
        assert f"an earlier saving as JPEG of quality {first}" in verdict.because[0]


def test_silence_of_some_of_the_tests_is_no_answer() -> None:
    missing = decide(GATE, [], [by_rank("a", 0.6)], calibration=LOSSY)
    assert missing.label == "inconclusive"
    assert "not every test" in missing.because[0]
    assert "jpeg-grid" in missing.because[0], "by the names that --checks takes"
    assert "jpeg-grid-local" not in missing.because[0]
    name = "noise-level"
    broken = [each for each in every(resampling(0.0)) if each.check != name] + [Finding(name, "error")]
    failed = decide(GATE, [], broken, calibration=LOSSY)
    assert (failed.label, failed.because[0]) == ("inconclusive", f"nothing was found, but {name} failed")


def test_what_is_found_is_told_whatever_was_lost() -> None:
    found = [by_nfa("jpeg-grid-local", -30.0), resampling(9.0)]
    assert decide(GATE, [], found, calibration=LOSSY).label == "evidence of manipulation"


def test_histories_are_admitted_as_long_as_few_verdicts_turn() -> None:
    from oddpixel.bench.audit.lasting import lasting

    def row(number: int, form: str, stratum: str, found: bool, resized: bool = False) -> dict[str, Any]:
        findings = {
            "jpeg-grid-local": {"statistic": 9.0, "log10_nfa": -9.0 if found else 0.0, "about": "manipulation"},
            "resampling": {"statistic": float(resized), "log10_nfa": -9.0 * resized, "about": "history"},
        }
        return {
            "source": f"s{number}", "kind": f"splice/{form}", "form": form, "stratum": stratum, "findings": findings,
            "manipulated": True, "degraded": None,
        }  # fmt: skip

    strata = ("lossless", "jpeg-high", "jpeg-middle")
    known = Calibration({"audited": {"jpeg-grid-local": dict.fromkeys(strata, FUSED)}})
    rows = [row(k, "as it was", "lossless", k < 40) for k in range(50)]
    rows += [row(k, "jpeg 90", "jpeg-high", k >= 4) for k in range(50)]
    rows += [row(k, "jpeg 70", "jpeg-middle", k >= 20) for k in range(50)]
    rows += [row(k, "resized 0.9", "lossless", k >= 30, resized=True) for k in range(50)]
    left = lasting(rows, known)
    assert left["jpeg-high"] == {"found": 36, "n": 40, "counts": True}, "what was not found before is not asked about"
    assert left["jpeg-middle"] == {"found": 20, "n": 40, "counts": False}
    assert left["resized"] == {"found": 10, "n": 40, "counts": False}
