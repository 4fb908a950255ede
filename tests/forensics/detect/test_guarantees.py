"""False-alarm guarantees: exact on exchangeable scores, refused where they cannot hold, and broken by planted violations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binomtest, kstest

from oddpixel.errors import CalibrationTooSmall, UsageError
from oddpixel.forensics.detect.calibration import Calibration
from oddpixel.forensics.detect.conformal import group_maxima, p_values, q_values, smoothed_ranks
from oddpixel.forensics.detect.drift import differs, drift
from oddpixel.forensics.detect.fusion import Scale, fused
from oddpixel.forensics.detect.guarantee import groups_needed, guarantee, rate_text, smallest_alpha
from oddpixel.forensics.detect.memory import Memory

RUNS = 4000


def rate_is_at_most(flagged: int, total: int, nominal: float) -> bool:
    """No significant excess over the nominal rate (one-sided, 0.1 %)."""
    return bool(binomtest(flagged, total, nominal, alternative="greater").pvalue > 0.001)


@pytest.mark.parametrize("alpha", [0.1, 0.05, 0.01])
@pytest.mark.parametrize("n", [99, 199])
def test_marginal_rates_are_exact(alpha: float, n: int) -> None:
    rng = np.random.default_rng(0)
    threshold = guarantee(n, alpha).threshold
    flagged = sum(int((p_values(rng.normal(size=1), rng.normal(size=n)) <= threshold)[0]) for _ in range(RUNS))
    assert abs(flagged / RUNS - alpha) < 4 * math.sqrt(alpha * (1 - alpha) / RUNS)


@pytest.mark.parametrize(("alpha", "confidence", "n"), [(0.1, 0.9, 60), (0.05, 0.95, 150), (0.01, 0.95, 400)])
def test_conditional_rates_hold_for_this_very_calibration(alpha: float, confidence: float, n: int) -> None:
    """Uniform scores: the rate of a calibration set is known exactly."""
    rng = np.random.default_rng(1)
    k = round(guarantee(n, alpha, confidence).threshold * (n + 1))
    rates = 1 - np.sort(rng.random((RUNS, n)), 1)[:, -k]
    assert rate_is_at_most(int((rates > alpha).sum()), RUNS, 1 - confidence)
    assert beta.cdf(alpha, k + 1, n - k) < confidence, "no more can be had"


def test_too_few_normals_are_refused_with_the_number_needed() -> None:
    assert groups_needed(0.01, 0.95) == 299
    assert groups_needed(0.05) == 19
    with pytest.raises(CalibrationTooSmall, match="at least 299 normal groups, got 200"):
        guarantee(200, 0.01, 0.95)
    assert guarantee(299, 0.01, 0.95).threshold == pytest.approx(1 / 300)
    assert "confidence 0.95" in str(guarantee(299, 0.01, 0.95))
    with pytest.raises(UsageError, match="between 0 and 1"):
        guarantee(100, 1.5)


@given(st.integers(0, 2**31), st.sampled_from([np.exp, np.cbrt, lambda x: 3 * x - 7]))
def test_monotone_transforms_change_no_decision(seed: int, transform: np.ufunc) -> None:
    rng = np.random.default_rng(seed)
    scores, normals = rng.normal(size=20), rng.normal(size=50)
    np.testing.assert_array_equal(p_values(scores, normals), p_values(transform(scores), transform(normals)))


def test_ties_count_against_oddness() -> None:
    assert p_values(np.array([1.0]), np.ones(9)).tolist() == [1.0]
    assert p_values(np.array([2.0]), np.ones(9)).tolist() == [0.1]
    with pytest.raises(UsageError, match="NaN"):
        p_values(np.array([np.nan]), np.ones(9))


def grouped(rng: np.random.Generator, num_groups: int, size: int) -> tuple[np.ndarray, list[str]]:
    """Images of one group resemble each other."""
    scores = rng.normal(size=(num_groups, 1)) * 2 + rng.normal(size=(num_groups, size)) * 0.3
    return scores.ravel(), [f"{group}" for group in range(num_groups) for _ in range(size)]


def test_pooling_images_of_few_groups_breaks_the_guarantee_and_groups_keep_it() -> None:
    rng, alpha, size = np.random.default_rng(2), 0.05, 10
    by_group = by_image = 0
    for _ in range(1000):
        scores, groups = grouped(rng, 40, size)
        incoming, names = grouped(rng, 1, size)
        calibration = Calibration.of(scores, groups)
        maxima = group_maxima(incoming, names)[1]
        by_group += int(calibration.p_values(maxima, ["all"])[0] <= alpha)
        by_image += int((p_values(incoming, scores) <= alpha).any())
    assert rate_is_at_most(by_group, 1000, alpha)
    assert not rate_is_at_most(by_image, 1000, alpha), "the planted violation shows"


def test_calibrating_on_fitted_data_shows_up() -> None:
    """Distance to the nearest fitted image is zero for the fitted images themselves."""
    rng = np.random.default_rng(3)
    fitted, incoming = rng.normal(size=(200, 5)), rng.normal(size=(300, 5))

    def nearest(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm(x[:, None] - fitted[None], axis=2).min(1))

    honest = p_values(nearest(incoming), nearest(rng.normal(size=(200, 5)))) <= 0.05
    planted = p_values(nearest(incoming), nearest(fitted)) <= 0.05
    assert rate_is_at_most(int(honest.sum()), 300, 0.1)
    assert planted.mean() > 0.9


@pytest.mark.parametrize("leaves_out", [True, False])
def test_normals_that_are_remembered_calibrate_without_themselves(leaves_out: bool) -> None:
    """Two channels of neighbours, fused on scales learned from others; groups of two. The planted violation is to calibrate with
    oneself in the memory."""
    rng, alpha, runs, flagged = np.random.default_rng(5), 0.1, 400, 0
    for _ in range(runs):
        groups = (
            5 + rng.normal(size=(26, 1, 6)) + 0.3 * rng.normal(size=(26, 2, 6))
        )  # six to learn scales, one comes in
        incoming, remembered, scaling = groups[0], groups[1:], groups[20:]
        memories = Memory(), Memory()
        for number, members in enumerate(remembered):
            for memory, part in zip(memories, np.split(members.astype(np.float32), 2, 1), strict=True):
                memory.append(part, str(number))

        def channels(
            members: np.ndarray, without: str | None, memories: tuple[Memory, Memory] = memories
        ) -> np.ndarray:
            parts = zip(memories, np.split(members.astype(np.float32), 2, 1), strict=True)
            return np.log([memory.distance(part, 2, without) + 1e-9 for memory, part in parts])

        looks = np.concatenate([channels(each, str(19 + row)) for row, each in enumerate(scaling)], 1)
        scales = [Scale.of(row.tolist(), 0.2) for row in looks]

        def score(members: np.ndarray, without: str | None, scales: list[Scale] = scales) -> float:
            columns = channels(members, without).T
            return max(
                fused(
                    {str(k): scale(value) for k, (scale, value) in enumerate(zip(scales, row, strict=True))},
                    {"0": 0.0, "1": 1.0},
                )
                for row in columns
            )

        calibration = [score(each, str(row) if leaves_out else None) for row, each in enumerate(remembered[:19])]
        flagged += int(p_values(np.array([score(incoming, None)]), np.array(calibration))[0] <= alpha)
    assert rate_is_at_most(flagged, runs, alpha) == leaves_out
    assert not leaves_out or flagged > 0.3 * alpha * runs, "it is no promise by flagging nothing"


def test_false_discoveries_stay_below_the_rate_asked_for() -> None:
    rng, shares = np.random.default_rng(4), []
    for _ in range(400):
        calibration = rng.normal(size=200)
        scores = np.concatenate([rng.normal(size=80), rng.normal(4, 1, 20)])
        flagged = q_values(p_values(scores, calibration)) <= 0.1
        shares.append(flagged[:80].sum() / max(flagged.sum(), 1))
    assert np.mean(shares) < 0.1 + 3 * np.std(shares) / 20
    assert q_values(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.04, 0.04])


def test_strata_fall_back_visibly() -> None:
    scores, groups = np.arange(60.0), [str(k) for k in range(60)]
    strata = ["CT"] * 50 + ["MR"] * 10
    calibration = Calibration.of(scores, groups, strata)
    assert calibration.stands_alone("CT")
    assert not calibration.stands_alone("MR")
    assert not calibration.stands_alone("unseen")
    found = calibration.p_values(np.array([49.5, 49.5, 49.5]), ["CT", "MR", "unseen"])
    assert found.tolist() == pytest.approx([1 / 51, 11 / 61, 11 / 61])
    with pytest.raises(UsageError, match="two strata"):
        Calibration.of(np.zeros(2), ["a", "a"], ["CT", "MR"])
    with pytest.raises(CalibrationTooSmall, match="no normal"):
        Calibration.of(np.zeros(0), [])


def test_ranks_are_uniform_and_the_martingale_seldom_alarms_unless_something_drifts() -> None:
    rng = np.random.default_rng(5)
    ranks = np.concatenate([smoothed_ranks(rng.normal(size=100), rng.normal(size=50), rng) for _ in range(30)])
    assert kstest(ranks, "uniform").pvalue > 0.001
    alarms = sum(drift(rng.normal(size=300), rng.normal(size=50), level=0.05).alarm_at is not None for _ in range(200))
    assert rate_is_at_most(alarms, 200, 0.05)
    for shift in (1.0, -1.0):
        drifting = np.concatenate([rng.normal(size=50), rng.normal(shift, 1, 300)])
        alarm = drift(drifting, rng.normal(size=200)).alarm_at
        assert alarm is not None
        assert alarm >= 50


@pytest.mark.parametrize("odd", [0.0, 0.2, 0.5])
@pytest.mark.parametrize(("calibrating", "incoming"), [(20, 5), (60, 10), (60, 100)])
def test_a_batch_of_which_half_is_normal_seldom_raises_the_alarm(calibrating: int, incoming: int, odd: float) -> None:
    rng = np.random.default_rng(7)

    def alarm() -> bool:
        scores = rng.normal(size=incoming)
        scores[: int(odd * incoming)] += 6
        return differs(scores, rng.normal(size=calibrating), level=0.02)

    assert rate_is_at_most(sum(alarm() for _ in range(500)), 500, 0.02)


@pytest.mark.parametrize(
    ("calibrating", "incoming", "shift", "found"),
    [(60, 5, 3.0, 0.8), (60, 10, 2.0, 0.5), (60, 30, 2.0, 0.95), (20, 10, 3.0, 0.85)],
)
def test_a_batch_that_is_shifted_as_a_whole_raises_it(
    calibrating: int, incoming: int, shift: float, found: float
) -> None:
    rng = np.random.default_rng(8)
    alarms = [differs(rng.normal(shift, size=incoming), rng.normal(size=calibrating), level=0.005) for _ in range(200)]
    assert np.mean(alarms) >= found


def test_few_images_are_no_batch() -> None:
    assert not differs(np.full(4, 9.0), np.zeros(1000) + np.arange(1000) / 1000)


@pytest.mark.parametrize("groups", range(1, 60))
def test_the_smallest_rate_that_is_named_can_be_promised(groups: int) -> None:
    assert guarantee(groups, float(rate_text(smallest_alpha(groups)))).threshold > 0
