"""How well maps show where: AUPRO and pixel AP, with intervals over pictures.

Every map becomes histograms once (its normal pixels, its odd ones, each odd region), over bins that hold equally many
pixels of all maps; a resample of pictures is then a sum of histograms. 4,096 bins: the curves are exact to 1 in 4,096.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import label

from oddpixel.bench.intervals import interval, of_groups

BINS = 4096
LARGEST_RATE = 0.3  # AUPRO up to there, as is usual
RATES = np.linspace(0, LARGEST_RATE, 200)


@dataclass(frozen=True, eq=False)
class Histograms:
    """The counts of map values of all pictures and regions, by bin.

    Oddest first, `[pictures, bins]`; for each region also its picture's number.
    """

    normal: np.ndarray
    odd: np.ndarray
    regions: np.ndarray
    picture_of: np.ndarray


def histograms(maps: list[np.ndarray], masks: list[np.ndarray]) -> Histograms:
    """Counts of map values inside and outside the masks, on common thresholds.

    Arguments:
        maps, masks: `[h, w]` each, higher is odder.
    """
    every = np.concatenate([heat.ravel() for heat in maps])
    edges = np.unique(np.quantile(every, np.linspace(0, 1, BINS + 1)[1:-1]))

    def counted(values: np.ndarray) -> np.ndarray:
        # A value on an edge lies above it: the edge is a threshold that it reaches.
        return np.bincount(len(edges) - np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)

    regions, picture_of = [], []
    for number, (heat, mask) in enumerate(zip(maps, masks, strict=True)):
        numbered, count = label(mask)
        regions += [counted(heat[numbered == index]) for index in range(1, count + 1)]
        picture_of += [number] * count
    return Histograms(
        np.stack([counted(heat[~mask]) for heat, mask in zip(maps, masks, strict=True)]),
        np.stack([counted(heat[mask]) for heat, mask in zip(maps, masks, strict=True)]),
        np.stack(regions),
        np.array(picture_of),
    )


def aupro(counts: Histograms, pictures: np.ndarray | None = None) -> float:
    """Area under per-region overlap against false-positive rate up to 0.3, normalised (Bergmann et al. 2021)."""
    drawn = _all(counts) if pictures is None else pictures
    normal = np.cumsum(counts.normal[drawn].sum(0)).astype(float)
    times = np.bincount(drawn, minlength=len(counts.normal))[counts.picture_of]
    overlap = times @ (np.cumsum(counts.regions, 1) / counts.regions.sum(1, keepdims=True)) / times.sum()
    at_rates = np.interp(RATES, np.r_[0, normal / normal[-1]], np.r_[0, overlap])
    return float(np.trapezoid(at_rates, RATES) / LARGEST_RATE)


def average_precision(counts: Histograms, pictures: np.ndarray | None = None) -> float:
    """The average precision over pixels."""
    drawn = _all(counts) if pictures is None else pictures
    odd, normal = (np.cumsum(bins[drawn].sum(0)).astype(float) for bins in (counts.odd, counts.normal))
    gained = np.diff(np.r_[0, odd]) / odd[-1]
    return float((gained * odd / np.maximum(odd + normal, 1)).sum())


def with_intervals(counts: Histograms, seed: int, groups: list[str]) -> dict[str, float]:
    """AUPRO and pixel average precision with bootstrap intervals over pictures.

    Arguments:
        groups: which picture each map is of; several maps of one are drawn together.
    """
    members = of_groups(groups)
    row: dict[str, float] = {}
    for name, measure in (("AUPRO", aupro), ("pixel AP", average_precision)):
        low, high = interval(lambda drawn, measure=measure: measure(counts, members(drawn)), len(set(groups)), seed)  # type: ignore[misc]
        row |= {name: measure(counts), f"{name} low": low, f"{name} high": high}
    return row


def _all(counts: Histograms) -> np.ndarray:
    return np.arange(len(counts.normal))
