"""Conformal p-values: how often a normal group would look at least this odd (Vovk et al. 2005; Bates et al. 2023).

    p(s) = (1 + #{calibration scores >= s}) / (n + 1)

If the incoming group and the n calibration groups are exchangeable, P(p <= alpha) <= alpha for every alpha, whatever the score.
Higher scores are odder. The unit is the group (patient, study, source video, original file): its score is the largest of its
members', because members of one group resemble each other and would count one normal many times.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from oddpixel.errors import UsageError

Scores = Float[np.ndarray, "n"]


def p_values(scores: Float[np.ndarray, "m"], calibration: Scores) -> Float[np.ndarray, "m"]:
    """In 1/(n+1) .. 1; ties count against oddness. Raises: UsageError where a score is NaN or nothing is calibrated."""
    if not len(calibration):
        raise UsageError("a p-value needs calibration scores, got none")
    if np.isnan(scores).any() or np.isnan(calibration).any():
        raise UsageError("a score is NaN; leave out images that could not be scored")
    ordered = np.sort(calibration)
    as_odd = len(ordered) - np.searchsorted(ordered, scores, side="left")
    return (1.0 + as_odd) / (len(ordered) + 1.0)


def smallest_p_value(num_calibration: int) -> float:
    """1 / (n + 1), the least p-value that n calibration groups can give."""
    return 1.0 / (num_calibration + 1.0)


def group_maxima(scores: Scores, groups: Sequence[str]) -> tuple[list[str], Float[np.ndarray, "g"]]:
    """Each group's largest score, groups in order of first appearance. Raises: UsageError."""
    if len(scores) != len(groups):
        raise UsageError(f"{len(scores)} scores but {len(groups)} groups")
    names = list(dict.fromkeys(groups))
    place = {name: index for index, name in enumerate(names)}
    maxima = np.full(len(names), -np.inf)
    np.maximum.at(maxima, [place[name] for name in groups], scores)
    return names, maxima


def q_values(p: Float[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
    """Benjamini-Hochberg: the smallest false discovery rate at which each would be flagged, in 0 .. 1.

    Valid for conformal p-values that share one calibration set (positively dependent; Bates et al. 2023, theorem 2).
    """
    order = np.argsort(p, kind="stable")[::-1]
    ranks = np.arange(len(p), 0, -1)
    adjusted = np.minimum.accumulate(p[order] * len(p) / ranks)
    q = np.empty_like(p)
    q[order] = np.minimum(adjusted, 1.0)
    return q


class SmoothedRanks:
    """Each score's rank among calibration and all scores before it, ties broken at random.

    Independent and uniform in 0 .. 1 while everything is exchangeable. (Ranks among calibration alone are not independent.)
    """

    def __init__(self, calibration: Scores, generator: np.random.Generator) -> None:
        self.seen, self.generator = sorted(calibration.tolist()), generator

    def __call__(self, score: float) -> float:
        """The rank of the next score; it counts among those seen from then on."""
        left, right = bisect_left(self.seen, score), bisect_right(self.seen, score)
        above, tied = len(self.seen) - right, right - left + 1
        rank = (above + self.generator.random() * tied) / (len(self.seen) + 1)
        self.seen.insert(left, score)
        return rank


def smoothed_ranks(
    scores: Float[np.ndarray, "m"], calibration: Scores, generator: np.random.Generator
) -> Float[np.ndarray, "m"]:
    """The ranks of scores in order of arrival."""
    rank = SmoothedRanks(calibration, generator)
    return np.array([rank(score) for score in scores.tolist()], np.float64)
