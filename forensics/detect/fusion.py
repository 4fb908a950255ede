"""Channels into one score and one map.

    z = (score - mean over normals) / deviation over normals               of each channel
    fused score = log sum exp (z - reserve)                                map = mean over channels of evidence by place

A soft maximum: an image is as odd as the channel that sees it best finds it, and a little odder where others agree. Channels are
on one scale before that: deviations of logarithms, which with some dozen normals are finer than ranks. On planted anomalies
of six validation sets (mean image AUROC): PatchCore 0.69, the largest deviation 0.79, their sum 0.77, the soft maximum 0.80, the
Mahalanobis distance of what is positive 0.80. With few normals a deviation leans on what is known of its channel beforehand.
Channels of places lag by a reserve of one deviation, and more where normals are few (`reserve_among`): the oddest of many places
is often odd by chance, most of all where normals have nothing in common. Validation, mean AUROC of planted anomalies (52 to 68
normals), of kinds of pictures with 24 normals and with 8: no reserve 0.778, 0.955, 0.900; one deviation 0.772, 0.969, 0.932;
two 0.755, 0.973, 0.959; three 0.741, 0.973, 0.967.
Whatever stands here, the score is calibrated afterwards, so the decision stays valid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from oddpixel.forensics.runs.heat_map import on_image

from .evidence import Evidence

Heat = Float[np.ndarray, "_p _q"]
PRIOR = 4  # normals that what is known of a channel's spread beforehand counts as
FEW = 16  # normals with which a reserve is twice what it is with many


@dataclass(frozen=True)
class Scale:
    """What scores of one channel are usual.

    Arguments:
        mean, deviation: over normals, each looked at without its own group.
    """

    mean: float
    deviation: float

    @classmethod
    def of(cls, scores: Sequence[float], spread: float) -> Scale:
        """From scores of normals, and the deviation that is expected of them."""
        values = np.asarray(scores, np.float64)
        squares = PRIOR * spread**2 + np.square(values - values.mean()).sum()
        return cls(float(values.mean()), float(np.sqrt(squares / (PRIOR + len(values) - 1))))

    def __call__(self, score: float) -> float:
        """Deviations from the mean."""
        return (score - self.mean) / self.deviation


def reserve_among(reserve: float, count: int) -> float:
    """By how many deviations a channel lags that has this reserve, with so many normals."""
    return reserve * (1 + FEW / count)


def fused(deviations: Mapping[str, float], reserves: Mapping[str, float]) -> float:
    """The soft maximum of the deviations of those channels that have a reserve."""
    return float(logsumexp([deviations[name] - reserve for name, reserve in reserves.items()]))


def fused_heat(heats: Mapping[str, Heat], evidence: Mapping[str, Evidence], grid: tuple[int, int]) -> Heat:
    """Evidence by place, the mean over channels: -log10 of the share of normal places that are as odd."""
    if not heats:
        return np.zeros(grid)
    placed = np.stack([on_image(evidence[name](heat), grid) for name, heat in heats.items()])
    return np.asarray(placed.mean(0), np.float64)


def reference_heat(heats: Sequence[Heat]) -> Float[np.ndarray, "n"]:
    """Places of normals, for `Evidence`."""
    return np.concatenate([heat.ravel() for heat in heats])
