"""The coarse picture, for aligned images: what its principal components do not explain, in units of what is usual there.

Smooth bright or dark blobs, missing and duplicated structures change a picture where neither texture nor an encoder trained on
photographs sees much. Only where the same place shows the same thing does "usual there" mean anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from scipy.ndimage import gaussian_filter

from ..observation import COARSE_SIDE, Observation
from . import Arrays, Context, Look, Use

COMPONENTS = 24


class Coarse:
    """Residual of the picture at 32 pixels a side."""

    kind: ClassVar[str] = "coarse picture"
    counts: ClassVar[bool] = True
    needs_encoder: ClassVar[bool] = False
    needs_probes: ClassVar[bool] = False
    use: ClassVar[Use] = "aligned"

    def __init__(self) -> None:
        self.mean = self.deviation = np.zeros(0)
        self.components = np.zeros((0, 0))

    def fit(self, normals: Sequence[Observation], context: Context) -> None:
        """Principal components of the coarse pictures, and the cross-validated deviation of residuals by pixel."""
        pictures = np.stack([each.coarse.ravel() for each in normals]).astype(np.float64)
        self.mean = pictures.mean(0)
        # Leave each half out in turn: residuals of the pictures that components were made from are too small.
        halves = np.arange(len(pictures)) % 2 == 0
        residuals = np.empty_like(pictures)
        for half in (halves, ~halves):
            others = pictures[~half] if (~half).sum() > 1 else pictures
            residuals[half] = _residual(pictures[half], others.mean(0), _components(others))
        self.components = _components(pictures)
        spread = gaussian_filter(np.sqrt((residuals**2).mean(0)).reshape(COARSE_SIDE, -1), 1.0).ravel()
        self.deviation = np.maximum(spread, 0.1 * spread.mean() + 1e-4)

    def look(self, observation: Observation) -> Look:
        """The largest residual in deviations, either sign, with the map of all."""
        signed = self._signed(observation)
        found = np.abs(signed)
        brighter = signed.ravel()[found.argmax()] > 0
        why = f"a {'brighter' if brighter else 'darker'} area than belongs there, {observation.oddest(found)}"
        return Look(float(found.max()), why, found)

    def add(self, normals: Sequence[Observation]) -> None:
        """Nothing: other components could raise somebody's residual."""

    def state(self) -> dict[str, np.ndarray]:
        """Mean, residual deviation and principal components."""
        return {"mean": self.mean, "deviation": self.deviation, "components": self.components}

    def restore(self, state: Arrays) -> None:
        """Set mean, residual deviation and principal components."""
        self.mean, self.deviation, self.components = state["mean"], state["deviation"], state["components"]

    def _signed(self, observation: Observation) -> np.ndarray:
        residual = _residual(observation.coarse.ravel()[None].astype(np.float64), self.mean, self.components)[0]
        result: np.ndarray = gaussian_filter((residual / self.deviation).reshape(COARSE_SIDE, -1), 0.8)
        return result


def _components(pictures: np.ndarray) -> np.ndarray:
    """Directions `[components, pixels]`, at most a third as many as pictures."""
    centred = pictures - pictures.mean(0)
    count = max(min(COMPONENTS, len(pictures) // 3), 1)
    return np.linalg.svd(centred, full_matrices=False)[2][:count]


def _residual(pictures: np.ndarray, mean: np.ndarray, components: np.ndarray) -> np.ndarray:
    centred = pictures - mean
    result: np.ndarray = centred - centred @ components.T @ components
    return result


CHANNELS = (Coarse,)
