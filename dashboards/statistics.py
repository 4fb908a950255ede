"""What the distribution view shows beside histograms: curves where there are labels, slices by stratum, drift along the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .agreement import share_with_interval

RESAMPLES = 300
WINDOWS = 40  # along the run, at most
FEWEST_IN_WINDOW = 20


@dataclass(frozen=True)
class Curves:
    """ROC and precision-recall of the score against verdicts, with 95 % bootstrap bands over items.

    Arguments:
        roc: rows of false-positive rate, true-positive rate, low, high.
        pr: rows of recall, precision, low, high.
    """

    roc: list[dict[str, float]]
    pr: list[dict[str, float]]
    auroc: tuple[float, float, float]
    average_precision: tuple[float, float, float]


def curves(score: Sequence[float], odd: Sequence[bool], seed: int = 0) -> Curves | None:
    """The curves of scores against verdicts; None unless both kinds of verdict are there."""
    scores, labels = np.asarray(score, float), np.asarray(odd, bool)
    if labels.all() or not labels.any():
        return None
    generator = np.random.default_rng(seed)
    grid = np.linspace(0, 1, 101)
    drawn = []
    for index in range(RESAMPLES + 1):
        # Odd and normal ones apart, so that both stay there.
        parts = [np.flatnonzero(labels), np.flatnonzero(~labels)]
        if index:
            parts = [generator.choice(part, len(part)) for part in parts]
        drawn.append(_curve(scores[parts[0]], scores[parts[1]], grid))
    roc, pr, areas, precisions = (np.array(samples) for samples in zip(*drawn, strict=True))
    return Curves(
        _banded(grid, roc, "false positives", "true positives"),
        _banded(grid, pr, "recall", "precision"),
        _interval(areas),
        _interval(precisions),
    )


def _curve(odd: np.ndarray, normal: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, float]:
    thresholds = np.unique(np.concatenate([odd, normal]))[::-1]
    hits = np.array([(odd >= threshold).mean() for threshold in thresholds])
    alarms = np.array([(normal >= threshold).mean() for threshold in thresholds])
    precision = hits * len(odd) / np.maximum(hits * len(odd) + alarms * len(normal), 1e-12)
    roc = np.interp(grid, np.r_[0, alarms], np.r_[0, hits])
    # The best precision at this recall or beyond: the usual interpolation.
    best = np.maximum.accumulate(precision[::-1])[::-1]
    place = np.minimum(np.searchsorted(hits, grid), len(best) - 1)
    area = float(((odd[:, None] > normal) + 0.5 * (odd[:, None] == normal)).mean())
    average = float((np.diff(np.r_[0, hits]) * precision).sum())
    return roc, best[place], area, average


def _banded(grid: np.ndarray, drawn: np.ndarray, across: str, up: str) -> list[dict[str, float]]:
    low, high = np.quantile(drawn[1:], (0.025, 0.975), axis=0)
    rows = zip(grid, drawn[0], low, high, strict=True)
    return [{across: float(x), up: float(y), "low": float(a), "high": float(b)} for x, y, a, b in rows]


def _interval(values: np.ndarray) -> tuple[float, float, float]:
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return float(values[0]), float(low), float(high)


def slices(
    strata: Sequence[str | None], flagged: Sequence[bool | None], unreadable: Sequence[bool]
) -> list[dict[str, Any]]:
    """The share flagged by stratum, with an exact 95 % interval (Clopper and Pearson 1934)."""
    rows = []
    names = [str(stratum or "unreadable") for stratum in strata]
    for each in sorted(set(names)):
        inside = [name == each for name in names]
        judged = [bool(value) for value, mine in zip(flagged, inside, strict=True) if mine and value is not None]
        hits, count = sum(judged), len(judged)
        share, low, high = share_with_interval(hits, count) if count else (None, 0.0, 1.0)
        errors = sum(bad for bad, mine in zip(unreadable, inside, strict=True) if mine)
        rows.append(
            {
                "stratum": each,
                "judged": count,
                "flagged": hits,
                "share": share,
                "low": low,
                "high": high,
                "errors": errors,
            }
        )
    return rows


def observed_alarms(p_values: Sequence[float]) -> list[dict[str, float]]:
    """The share of normal groups with p at most alpha, with an exact 95 % interval, at each alpha where it rises, and at 0 and 1.

    Under the promise it is at most alpha on average, for every alpha at once.
    """
    values = np.sort(np.asarray(p_values, float))
    rows = []
    for alpha in (0.0, *np.unique(values).tolist(), 1.0):
        hits = int(np.searchsorted(values, alpha, side="right"))
        share, low, high = share_with_interval(hits, len(values))
        rows.append({"promised": alpha, "observed": share, "low": low, "high": high})
    return rows


def along(p_values: Sequence[float]) -> list[dict[str, float]]:
    """The mean p-value in windows along the run; without drift it lies in the band (mean of uniforms, 99 %).

    Conformal p-values of normal images are uniform: a mean that stays low says that what comes in is odder than what the detector
    was calibrated on.
    """
    values = np.asarray([value for value in p_values if value is not None], float)
    size = max(FEWEST_IN_WINDOW, -(-len(values) // WINDOWS))
    rows = []
    for start in range(0, len(values) - size + 1, size):
        window = values[start : start + size]
        half = 2.576 / np.sqrt(12 * len(window))
        rows.append(
            {"item": start + len(window), "mean p": float(window.mean()), "low": 0.5 - half, "high": 0.5 + half}
        )
    return rows
