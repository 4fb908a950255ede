"""Are incoming groups still exchangeable with the calibration? A martingale that grows when they are not.

Ranks r_1, r_2, ... of incoming scores are independent and uniform while everything is exchangeable (`smoothed_ranks`). The
simple jumper (Vovk et al. 2021, "Retrain or not retrain", algorithm 1) bets 1 + e (r - 1/2) with e in {-1, 0, 1} on each, moving
a share of its capital evenly between the three every time. By Ville's inequality it ever reaches 1 / level with probability at
most `level`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .conformal import SmoothedRanks

JUMP = 0.01
BETS = np.array([-1.0, 0.0, 1.0])


@dataclass(frozen=True, eq=False)
class Drift:
    """The capital of the martingale over the incoming groups, and whether it raised an alarm.

    Arguments:
        capital: after each incoming group; 1 before the first.
        level: probability of a false alarm, ever.
    """

    capital: Float[np.ndarray, "m"]
    level: float

    @property
    def alarm_at(self) -> int | None:
        """Index of the group that raised the alarm, or None."""
        over = np.flatnonzero(self.capital >= 1 / self.level)
        return int(over[0]) if len(over) else None


class Monitor:
    """The martingale, score by score."""

    def __init__(self, calibration: Float[np.ndarray, "n"], *, level: float = 0.01, seed: int = 0) -> None:
        self.rank = SmoothedRanks(calibration, np.random.default_rng(seed))
        self.wealth, self.level, self.alarm = np.full(3, 1 / 3), level, False

    def __call__(self, score: float) -> float:
        """The capital after one more score; `alarm` stays once it is raised."""
        total = self.wealth.sum()
        self.wealth = ((1 - JUMP) * self.wealth + JUMP * total / 3) * (1 + BETS * (self.rank(score) - 0.5))
        capital = float(self.wealth.sum())
        self.alarm = self.alarm or capital >= 1 / self.level
        return capital


def drift(
    scores: Float[np.ndarray, "m"], calibration: Float[np.ndarray, "n"], *, level: float = 0.01, seed: int = 0
) -> Drift:
    """Incoming group scores in order of arrival, against the calibration's."""
    monitor = Monitor(calibration, level=level, seed=seed)
    return Drift(np.array([monitor(score) for score in scores.tolist()], np.float64), level)
