"""95 % intervals by the bootstrap: units (pictures, groups) drawn anew with replacement, the statistic taken again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

RESAMPLES = 200


def interval(
    statistic: Callable[[np.ndarray], float], units: int, seed: int, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """The middle 95 % of a statistic over resamples. Infinite values stand for "beyond what was tried".

    Arguments:
        statistic: of the numbers of the units drawn, 0..units - 1, with repeats.
    """
    generator = np.random.default_rng(seed)
    values = [statistic(generator.integers(units, size=units)) for _ in range(resamples)]
    low, high = np.quantile(values, (0.025, 0.975), method="inverted_cdf")
    return float(low), float(high)


def of_groups(groups: Sequence[str]) -> Callable[[np.ndarray], np.ndarray]:
    """A function from drawn group numbers (in sorted order) to the numbers of all their members."""
    names = np.array(groups)
    members = [np.flatnonzero(names == name) for name in np.unique(names)]
    return lambda drawn: np.concatenate([members[index] for index in drawn])
