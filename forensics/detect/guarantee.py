"""What a threshold on p-values guarantees, and how many normals that takes.

*Marginal* (`alpha`): over draws of calibration and incoming groups together, P(false alarm) <= alpha; flag where p <= alpha.

*Training-conditional* (`alpha`, `confidence`): for this very calibration set, with that confidence over its draw, the rate of
false alarms is at most alpha. Flagging above the k-th largest of n calibration scores has rate ~ Beta(k, n + 1 - k) (order
statistics; Vovk 2012), so k is the largest with P(Beta(k, n + 1 - k) <= alpha) >= confidence, and the threshold is
p <= k / (n + 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.special import betainc

from oddpixel.counting import counted
from oddpixel.errors import CalibrationTooSmall, UsageError

if TYPE_CHECKING:
    from .power import Found

SMALLEST = 1e-15  # a rate that no number of groups will ever promise


@dataclass(frozen=True, kw_only=True)
class Guarantee:
    """A bound on the false-alarm rate, and the threshold on p-values that keeps it.

    Arguments:
        alpha: the rate of false alarms.
        confidence: None is marginal.
        num_calibration: groups that it rests on.
        threshold: flag where p is at most this.
        power: what is found at that threshold, by kind and strength (`power`); empty where it was not measured.
        doubts: why nothing is promised after all, whatever comes in.
    """

    alpha: float
    confidence: float | None
    num_calibration: int
    threshold: float
    power: tuple[Found, ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """`marginal`, or `training-conditional` where there is a confidence."""
        return "marginal" if self.confidence is None else "training-conditional"

    def __str__(self) -> str:
        if self.doubts:
            return self.doubts[0]
        rate = f"at most {self.alpha:g} of normal groups are flagged"
        if self.confidence is None:
            return f"{rate}, on average over calibration sets of {counted(self.num_calibration, 'group')}"
        return f"with confidence {self.confidence:g}, {rate} by this calibration of {self.num_calibration} groups"


def guarantee(num_calibration: int, alpha: float, confidence: float | None = None) -> Guarantee:
    """The threshold on p that so many calibration groups allow.

    Raises: CalibrationTooSmall, with the number needed; UsageError.
    """
    _check(alpha, confidence)
    needed = groups_needed(alpha, confidence)
    if num_calibration < needed:
        sure = "" if confidence is None else f" at {confidence:g} confidence"
        raise CalibrationTooSmall(
            f"a false-alarm rate of {alpha:g}{sure} needs at least {needed} normal groups, got {num_calibration}; "
            f"use a larger alpha or add normals"
        )
    if confidence is None:
        return Guarantee(alpha=alpha, confidence=None, num_calibration=num_calibration, threshold=alpha)
    k = _largest_count(num_calibration, alpha, confidence)
    threshold = k / (num_calibration + 1)
    return Guarantee(alpha=alpha, confidence=confidence, num_calibration=num_calibration, threshold=threshold)


def groups_needed(alpha: float, confidence: float | None = None) -> int:
    """The fewest calibration groups with which anything can be flagged."""
    _check(alpha, confidence)
    if confidence is None:
        return math.ceil(1 / max(alpha, SMALLEST) - 1e-9) - 1
    return math.ceil(math.log1p(-confidence) / math.log1p(-max(alpha, SMALLEST)) - 1e-9)


def smallest_alpha(num_calibration: int, confidence: float | None = None) -> float:
    """The least rate of false alarms that so many calibration groups can promise."""
    if confidence is None:
        return 1 / (num_calibration + 1)
    return -math.expm1(math.log1p(-confidence) / max(num_calibration, 1))


def rate_text(alpha: float) -> str:
    """A rate as `--alpha` takes it, never smaller than it is: in thousandths, rounded up."""
    return f"{math.ceil(1000 * alpha - 1e-9) / 1000:g}"


def _largest_count(n: int, alpha: float, confidence: float) -> int:
    """Largest k with P(Beta(k, n + 1 - k) <= alpha) >= confidence: that probability falls with k."""
    low, high = 1, n
    while low < high:
        middle = (low + high + 1) // 2
        if betainc(middle, n + 1 - middle, alpha) >= confidence:
            low = middle
        else:
            high = middle - 1
    return low


def _check(alpha: float, confidence: float | None) -> None:
    if not 0 < alpha < 1:
        raise UsageError(f"alpha must lie between 0 and 1, got {alpha:g}")
    if confidence is not None and not 0 < confidence < 1:
        raise UsageError(f"confidence must lie between 0 and 1, got {confidence:g}")
