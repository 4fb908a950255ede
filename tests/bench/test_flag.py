"""What `bench flag` reports is what scikit-learn and brute force find, and its intervals cover."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label
from sklearn.metrics import average_precision_score

from oddpixel.bench.detect.maps import LARGEST_RATE, aupro, average_precision, histograms, with_intervals
from oddpixel.bench.detect.planted import _half_found
from oddpixel.bench.intervals import interval, of_groups


@pytest.fixture
def maps_and_masks() -> tuple[list[np.ndarray], list[np.ndarray]]:
    generator = np.random.default_rng(0)
    masks = [np.zeros((40, 50), bool) for _ in range(6)]
    for mask in masks:
        for _ in range(2):
            row, column = generator.integers(0, 30, 2)
            mask[row : row + 8, column : column + 6] = True
    maps = [generator.normal(size=mask.shape) + 1.5 * mask for mask in masks]
    return maps, masks


def test_map_measures_are_those_of_brute_force(maps_and_masks: tuple[list[np.ndarray], list[np.ndarray]]) -> None:
    maps, masks = maps_and_masks
    found = histograms(maps, masks)
    exact = average_precision_score(
        np.concatenate([m.ravel() for m in masks]), np.concatenate([m.ravel() for m in maps])
    )
    assert average_precision(found) == pytest.approx(exact, abs=0.005)
    normal = np.concatenate([each[~mask] for each, mask in zip(maps, masks, strict=True)])
    rates = np.linspace(0, LARGEST_RATE, 100)
    overlaps = []
    for each, mask in zip(maps, masks, strict=True):
        numbered, count = label(mask)
        for number in range(1, count + 1):
            region = each[numbered == number]
            overlaps.append([(region >= threshold).mean() for threshold in np.quantile(normal, 1 - rates)])
    assert aupro(found) == pytest.approx(np.trapezoid(np.mean(overlaps, 0), rates) / LARGEST_RATE, abs=0.01)
    row = with_intervals(found, 0, [str(k) for k in range(6)])
    assert row["AUPRO low"] < row["AUPRO"] < row["AUPRO high"]
    assert row["pixel AP low"] < row["pixel AP"] < row["pixel AP high"]


def test_intervals_cover_as_often_as_they_say() -> None:
    generator = np.random.default_rng(0)
    covered = []
    for seed in range(200):
        values = generator.normal(size=40)
        low, high = interval(lambda drawn, values=values: float(values[drawn].mean()), 40, seed)  # type: ignore[misc]
        covered.append(low <= 0 <= high)
    assert 0.89 <= np.mean(covered) <= 0.98


def test_groups_are_drawn_whole() -> None:
    members = of_groups(["b", "a", "b", "c"])
    np.testing.assert_array_equal(members(np.array([1, 1, 0])), [0, 2, 0, 2, 1])


def test_the_contrast_that_half_are_found_at() -> None:
    contrasts = np.repeat([0.5, 1.0, 2.0, 4.0], 50)
    generator = np.random.default_rng(0)
    hits = generator.uniform(size=200) < 1 / (1 + (1.5 / contrasts) ** 4)
    assert _half_found(contrasts, hits) == pytest.approx(1.5, rel=0.25)
    assert _half_found(contrasts, np.zeros(200, bool)) == np.inf
    assert _half_found(contrasts, np.ones(200, bool)) == 0
