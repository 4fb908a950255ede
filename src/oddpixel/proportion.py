"""A rate that was seen so many times of so many, with its exact interval (Clopper and Pearson, Biometrika 26, 1934)."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int

CONFIDENCE = 0.95


def exact_interval(found: int, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The bounds between which a rate lies with this confidence or more; `count` is 1 or more."""
    low, high = exact_intervals(np.array([found]), np.array([count]), confidence)
    return float(low[0]), float(high[0])


def exact_intervals(
    found: Int[np.ndarray, "n"], count: Int[np.ndarray, "n"], confidence: float = CONFIDENCE
) -> tuple[Float64[np.ndarray, "n"], Float64[np.ndarray, "n"]]:
    """The lower and upper bounds of several rates, as `exact_interval` has them."""
    # Not scipy.stats, which has the beta distribution by name: it takes over a second to import.
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = np.where(found > 0, betaincinv(np.maximum(found, 1), count - found + 1, tail), 0.0)
    high = np.where(found < count, betaincinv(found + 1, np.maximum(count - found, 1), 1 - tail), 1.0)
    return low, high
