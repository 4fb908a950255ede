"""How odd one image is, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from oddpixel.forensics.runs.rows import Reason


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
