"""The coarse picture: what a blend of the nearest normals does not explain, in units of what is usual there.

Smooth bright or dark blobs, missing and duplicated structures change a picture where neither texture nor an encoder trained on
photographs sees much; where the same place shows much the same thing (anatomy, a fixed camera), a blend of the normals that look
most like it predicts it.

    blend      the ridge regression of the picture on its `NEAREST` nearest normals
    heat       the largest over `WIDTHS` of |residual, blurred| over its root mean square there among normals

More normals can raise such a score, so no group that is calibrated on may be blended from: the memory are the normals that
scales are learned from, and it never grows. That is too small a memory for slices of few volumes (validation: AUROC 0.46, with
all but one's own group in it 0.66), so it is for those who ask, and for detectors without an encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter

from ..memory import Memory
from ..observation import Observation
from . import LEAST_DISTANCE, OF_PLACES, Arrays, Context, Look, Needs, Use
from .patches import smoothed

NEAREST = 12
RIDGE = 0.05  # of the mean variance of the blended pictures
WIDTHS = (1.0, 2.0, 4.0)  # pixels of the coarse picture
TOP_SHARE = 0.002
LEAST_USUAL = 0.3  # of the mean over places
Residual = Float[np.ndarray, "w s s"]


class Coarse:
    """The residual of the coarse picture."""

    kind: ClassVar[str] = "coarse picture"
    needs: ClassVar[Needs] = "picture"
    counts: ClassVar[bool] = True
    use: ClassVar[Use] = "without encoder"
    spread: ClassVar[float] = 0.15
    reserve: ClassVar[float] = OF_PLACES

    def __init__(self) -> None:
        self.memory = Memory()
        self.usual: Residual = np.ones((len(WIDTHS), 1, 1))

    def fit(self, normals: Sequence[Observation], context: Context) -> None:
        """Nothing before groups are known."""

    def remember(self, normal: Observation, group: str) -> None:
        """Nothing: see above."""

    def settle(self, normals: Sequence[Observation], groups: Sequence[str]) -> None:
        """The memory, and the root mean square of residuals by place and width."""
        for normal, group in zip(normals, groups, strict=True):
            self.memory.append(_row(normal), group)
        size = normals[0].coarse.shape
        squares = [
            _blurred(self._residual(_row(normal)[0], self.memory.without(group)).reshape(size)) ** 2
            for normal, group in zip(normals, groups, strict=True)
        ]
        usual = np.sqrt(np.mean(squares, 0))
        usual = np.stack([gaussian_filter(each, 1.5) for each in usual])
        self.usual = usual + LEAST_USUAL * usual.mean((1, 2), keepdims=True) + LEAST_DISTANCE

    def look(self, observation: Observation, without: str | None = None) -> Look:
        """The log of the mean over the oddest places, with the map and the sign of the largest."""
        row, size = _row(observation)[0], observation.coarse.shape
        residual = self._residual(row, self.memory.without(without)).reshape(size)
        heat = self._heat(residual)
        largest = gaussian_filter(residual, WIDTHS[1]).ravel()[heat.argmax()]
        why = f"a {'brighter' if largest > 0 else 'darker'} area than belongs there, {observation.oddest(heat)}"
        return Look(float(np.log(_top(heat) + LEAST_DISTANCE)), why, smoothed(heat))

    def add(self, normal: Observation) -> None:
        """Nothing: another blend could raise somebody's residual."""

    def state(self) -> dict[str, np.ndarray]:
        """Memory and usual residuals."""
        return {"usual": self.usual, **self.memory.state()}

    def restore(self, state: Arrays) -> None:
        """Set memory and usual residuals. Raises: ValueError where they do not fit together."""
        self.memory.restore(dict(state))
        self.usual = state["usual"]
        if self.usual.ndim != 3 or self.usual[0].size != self.memory.rows.shape[1] or len(self.usual) != len(WIDTHS):
            raise ValueError(
                f"pictures of {self.memory.rows.shape[1]} pixels, usual residuals of shape {self.usual.shape}"
            )

    def _residual(self, row: Float32[np.ndarray, "n"], memory: Float32[np.ndarray, "m n"]) -> Float[np.ndarray, "n"]:
        nearest = memory[_nearest(row, memory)].astype(np.float64)
        centre = nearest.mean(0)
        directions, offset = nearest - centre, row - centre
        gram = directions @ directions.T
        gram += (RIDGE * np.trace(gram) / len(gram) + LEAST_DISTANCE) * np.eye(len(gram))
        result: Float[np.ndarray, "n"] = offset - np.linalg.solve(gram, directions @ offset) @ directions
        return result

    def _heat(self, residual: Float[np.ndarray, "s s"]) -> Float[np.ndarray, "s s"]:
        result: Float[np.ndarray, "s s"] = (_blurred(residual) / self.usual).max(0)
        return result


def _row(observation: Observation) -> Float32[np.ndarray, "1 n"]:
    return observation.coarse.reshape(1, -1)


def _nearest(row: Float32[np.ndarray, "n"], memory: Float32[np.ndarray, "m n"]) -> np.ndarray:
    return np.argsort(np.square(memory - row).sum(1), kind="stable")[:NEAREST]


def _blurred(residual: Float[np.ndarray, "s s"]) -> Residual:
    return np.stack([np.abs(gaussian_filter(residual, width)) * width for width in WIDTHS])


def _top(heat: np.ndarray) -> float:
    count = max(int(TOP_SHARE * heat.size), 3)
    return float(np.partition(heat.ravel(), heat.size - count)[-count:].mean())


CHANNELS = (Coarse,)
