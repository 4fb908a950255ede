"""Single numbers of the density model. Weak alone: whatever is smooth is likely, whatever is rough is noisy; and what they know,
the vector knows too. Fused with it they made it worse on validation corpora, so they are told as reasons and not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ..observation import Observation
from . import LEAST_DISTANCE, Arrays, Context, Look, Needs, Use


class _Entries:
    """The mean of one kind of entry over all scales, each counted by its dimensions."""

    kind: ClassVar[str]
    entry: ClassVar[str]
    counts: ClassVar[bool] = False
    needs: ClassVar[Needs] = "density"
    use: ClassVar[Use] = "asked"
    spread: ClassVar[float] = 1.0
    reserve: ClassVar[float] = 0.0

    def __init__(self) -> None:
        self.places = np.zeros(0, np.int64)
        self.median, self.deviation = 0.0, 1.0

    def fit(self, normals: Sequence[Observation], context: Context) -> None:
        """The median over normals, and the median absolute deviation scaled to a standard one."""
        ends = [name.partition(":")[2] for name in context.names]
        self.places = np.array([index for index, end in enumerate(ends) if end == self.entry])
        values = [self.value(each) for each in normals]
        self.median = float(np.median(values))
        self.deviation = max(float(1.4826 * np.median(np.abs(np.array(values) - self.median))), 1e-6)

    def value(self, observation: Observation) -> float:
        """The mean of the entry over scales, each weighted by its number of pixels."""
        values = observation.vector[self.places].astype(np.float64)
        weights = np.isfinite(values) / 4.0 ** np.arange(len(values))
        return float((np.nan_to_num(values) * weights).sum() / max(weights.sum(), 1e-12))

    def deviations(self, observation: Observation) -> float:
        """The signed distance from the median of normals, in robust standard deviations."""
        return (self.value(observation) - self.median) / self.deviation

    def remember(self, normal: Observation, group: str) -> None:
        """Nothing: what was learned in `fit` stays."""

    def settle(self, normals: Sequence[Observation], groups: Sequence[str]) -> None:
        """Nothing more to learn."""

    def add(self, normal: Observation) -> None:
        """Nothing: a median cannot move without raising somebody's score."""

    def state(self) -> dict[str, np.ndarray]:
        """Places of the entry in the density vector, median and deviation."""
        return {"places": self.places, "median": np.array([self.median]), "deviation": np.array([self.deviation])}

    def restore(self, state: Arrays) -> None:
        """Set places, median and deviation."""
        self.places = state["places"]
        self.median, self.deviation = float(state["median"][0]), float(state["deviation"][0])


class Typicality(_Entries):
    """|nats a dimension - median|: unlike the likelihood itself it has two sides (Nalisnick et al. 2019)."""

    kind = "typicality"
    entry = "nll"

    def look(self, observation: Observation, without: str | None = None) -> Look:
        """The absolute deviation of the likelihood; no map."""
        found = self.deviations(observation)
        likely = "less" if found > 0 else "more"
        score = float(np.log(abs(found) + LEAST_DISTANCE))
        return Look(score, f"it is {likely} likely than normals are, by {abs(found):.1f} deviations")


class ExpectedLevel(_Entries):
    """The expected log-SNR of the posterior over noise levels, one-sided: noisier is odder (DTE, Livernoche et al. 2024)."""

    kind = "expected level"
    entry = "level"

    def look(self, observation: Observation, without: str | None = None) -> Look:
        """The deviation towards more noise; no map."""
        found = -self.deviations(observation)
        noisy = "more" if found > 0 else "less"
        return Look(found, f"it looks {noisy} noisy than normals do, by {abs(found):.1f} deviations")


CHANNELS = (Typicality, ExpectedLevel)
