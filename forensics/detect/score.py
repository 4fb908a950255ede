"""How odd one image is, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32


@dataclass(frozen=True)
class Reason:
    """One channel's share in a score: how rare its value is among normal images, in words a user can act on."""

    channel: str
    p_value: float
    because: str


@dataclass(frozen=True, eq=False)
class Score:
    """A calibrated answer for one image.

    Arguments:
        item: the image's `source`.
        raw: higher is odder, always.
        p_value: conformal, in (0, 1]; descriptive where decisions are per group.
        q_value: Benjamini-Hochberg over the batch, or None where no batch was decided on.
        flagged: the decision.
        reasons: the channels, rarest first.
        map: per-pixel evidence `[h, w]`, -log10 p on an absolute scale, or None.
    """

    item: str
    raw: float
    p_value: float
    q_value: float | None
    flagged: bool
    reasons: tuple[Reason, ...] = ()
    map: Float32[np.ndarray, "h w"] | None = None
