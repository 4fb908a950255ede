"""Single numbers of the density model. Weak alone: whatever is smooth is likely, whatever is rough is noisy; and what they know,
the vector knows too. Fused with it they made it worse on validation corpora, so they are told as reasons and not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ..observation import Observation
from . import Arrays, Context, Look, Use


class _Entries:
    """The mean of one kind of entry over all scales, each counted by its dimensions."""

    kind: ClassVar[str]
    entry: ClassVar[str]
    counts: ClassVar[bool] = False
    needs_encoder: ClassVar[bool] = False
    needs_probes: ClassVar[bool] = False
    use: ClassVar[Use] = "always"

    def __init__(self) -> None:
        self.places = np.zeros(0, np.int64)
        self.median = self.spread = 0.0

    def fit(self, normals: Sequence[Observation], context: Context) -> None:
        """The median over normals, and the median absolute deviation scaled to a standard deviation."""
        ends = [name.partition(":")[2] for name in context.names]
        self.places = np.array([index for index, end in enumerate(ends) if end == self.entry])
        values = [self.value(each) for each in normals]
        self.median = float(np.median(values))
        self.spread = max(float(1.4826 * np.median(np.abs(np.array(values) - self.median))), 1e-6)

    def value(self, observation: Observation) -> float:
        """The mean of the entry over scales, each weighted by its number of pixels."""
        values = observation.vector[self.places].astype(np.float64)
        weights = np.isfinite(values) / 4.0 ** np.arange(len(values))
        return float((np.nan_to_num(values) * weights).sum() / max(weights.sum(), 1e-12))

    def deviations(self, observation: Observation) -> float:
        """The signed distance from the median of normals, in robust standard deviations."""
        return (self.value(observation) - self.median) / self.spread

    def add(self, normals: Sequence[Observation]) -> None:
        """Nothing: a median cannot move without raising somebody's score."""

    def state(self) -> dict[str, np.ndarray]:
        """Places of the entry in the density vector, median and spread."""
        return {"places": self.places, "median": np.array([self.median]), "spread": np.array([self.spread])}

    def restore(self, state: Arrays) -> None:
        """Set places, median and spread."""
        self.places = state["places"]
        self.median, self.spread = float(state["median"][0]), float(state["spread"][0])


class Typicality(_Entries):
    """|nats a dimension - median|: unlike the likelihood itself it has two sides (Nalisnick et al. 2019)."""

    kind = "typicality"
    entry = "nll"

    def look(self, observation: Observation) -> Look:
        """The absolute deviation of the likelihood; no map."""
        found = self.deviations(observation)
        likely = "less" if found > 0 else "more"
        return Look(abs(found), f"it is {likely} likely than normals are, by {abs(found):.1f} deviations")


class ExpectedLevel(_Entries):
    """The expected log-SNR of the posterior over noise levels, one-sided: noisier is odder (DTE, Livernoche et al. 2024)."""

    kind = "expected level"
    entry = "level"

    def look(self, observation: Observation) -> Look:
        """The deviation towards more noise; no map."""
        found = -self.deviations(observation)
        noisy = "more" if found > 0 else "less"
        return Look(found, f"it looks {noisy} noisy than normals do, by {abs(found):.1f} deviations")


CHANNELS = (Typicality, ExpectedLevel)
