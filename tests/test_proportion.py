"""Exact intervals of a rate, beside the beta distribution that they are made of."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import beta, binomtest

from oddpixel.proportion import exact_interval, exact_intervals


@pytest.mark.parametrize(("found", "count"), [(0, 1), (1, 1), (0, 30), (3, 30), (30, 30), (499, 1000)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_the_interval_is_that_of_clopper_and_pearson(found: int, count: int, confidence: float) -> None:
    expected = binomtest(found, count).proportion_ci(confidence, "exact")
    assert exact_interval(found, count, confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_many_at_once_are_as_one_by_one() -> None:
    found, count = np.array([0, 3, 5]), np.array([5, 5, 5])
    low, high = exact_intervals(found, count)
    assert list(zip(low, high, strict=True)) == [exact_interval(k, 5) for k in (0, 3, 5)]
    assert low[1] == pytest.approx(beta.ppf(0.025, 3, 3))


@pytest.mark.parametrize("module", ["oddpixel.api.audit", "oddpixel.forensics.audit.video.checks"])
def test_commands_start_without_what_takes_long_to_import(module: str) -> None:
    slow = "{'scipy.stats', 'matplotlib.pyplot', 'diffusers', 'transformers'}"
    script = f"import sys, {module}; print(sorted({slow} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
