"""Scores of unlike channels on one scale: how rare a value is among normals, as -log10 of the share that reach it.

    evidence(s) = -log10 ( (1 + #{normals >= s}) / (n + 1) )           among the normals
    evidence(s) = evidence(u) + (s - u) / (b log 10)                    beyond u, their upper decile: an exponential tail whose
                                                                        scale b is the mean excess over u (Pickands 1975, xi = 0)

A rank alone ends at 1 / (n + 1), where a slightly and a grossly odd image look alike. This is no probability that anything
rests on: the fused score is calibrated afterwards on other normals, which makes the decision exact whatever is done here. It
never falls with s, and joins without a jump.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

TAIL = 0.1
KEPT = 2048  # quantiles kept of a larger reference


class Evidence:
    """The evidence scale of one channel, learned from scores of normals.

    Arguments:
        reference: scores of normals that their channel was not fitted to.
        count: how many there were, where `reference` are quantiles of them.
    """

    def __init__(self, reference: Float[np.ndarray, "n"], count: int | None = None) -> None:
        self.count = len(reference) if count is None else count
        ordered = np.sort(np.asarray(reference, np.float64))
        if len(ordered) > KEPT:
            ordered = np.quantile(ordered, np.linspace(0, 1, KEPT))
        self.reference = ordered
        num_tail = max(int(np.ceil(TAIL * len(ordered))), 1)
        self.start = float(ordered[-num_tail])
        excess = float((ordered[-num_tail:] - self.start).mean())
        # Values that all agree have no tail: then any step beyond them counts by their size.
        self.scale = max(excess, 1e-6 * max(abs(self.start), 1e-6))
        self.at_start = float(self._by_rank(np.array(self.start)))

    def __call__(self, scores: Float[np.ndarray, "*m"]) -> Float[np.ndarray, "*m"]:
        """0 at the least odd; 2 where about one normal in a hundred is as odd."""
        scores = np.asarray(scores, np.float64)
        beyond = self.at_start + (scores - self.start) / (self.scale * np.log(10))
        return np.where(scores > self.start, beyond, self._by_rank(scores))

    def _by_rank(self, scores: np.ndarray) -> np.ndarray:
        as_odd = len(self.reference) - np.searchsorted(self.reference, scores, side="left")
        return np.asarray(-np.log10((1.0 + as_odd) / (len(self.reference) + 1.0)))
