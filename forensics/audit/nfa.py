"""Numbers of false alarms: (number of tests) x P(as much or more by chance), the expected count of such detections in an
image that the background model describes (Desolneux, Moisan and Morel 2000). Kept as logarithms: they underflow
otherwise.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Shaped

REPORTED = -3.0  # log10 of the NFA from which a check calls it evidence; at 1e0 one image in two or so shows something
LN10 = float(np.log(10.0))
Number = float | Shaped[np.ndarray, "*n"]


def log10_binomial_tail(trials: Number, successes: Number, p: Number) -> Float[np.ndarray, "*n"]:
    """An upper bound of log10 P(at least `successes` of `trials`): exp(-n KL(k / n || p)) (Hoeffding 1963, theorem 1).

    A bound, so that what rests on it errs on the side of no detection; and it does not underflow. Counts may be fractions
    (votes divided by how many of them hang together).
    """
    n, k, p = (np.asarray(value, np.float64) for value in (trials, successes, p))
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.clip(np.where(n > 0, k / n, 0.0), 0.0, 1.0)
        kl = np.where(q > 0, q * np.log(q / p), 0.0) + np.where(q < 1, (1 - q) * np.log((1 - q) / (1 - p)), 0.0)
    return np.where(q > p, -n * kl / LN10, 0.0)
