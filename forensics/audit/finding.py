"""What one forensic check says about one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32

Status = Literal["evidence", "no-evidence", "not-applicable", "error"]


@dataclass(frozen=True, eq=False)
class Finding:
    """A check's answer, with what it rests on and what it cannot say.

    Arguments:
        check: the check's name.
        status: `evidence`, `no-evidence`, `not-applicable` or `error`.
        statistic: the check's own number, or None.
        p_value: where the check has one; else
        log10_nfa: the logarithm of its number of false alarms (a contrario). At most one of the two is given.
        map: per-pixel evidence `[h, w]`, or None.
        reliability: what is known of its error rate here, in words.
        because: why, in words.
        limits: what this check cannot see.
    """

    check: str
    status: Status
    statistic: float | None
    p_value: float | None
    log10_nfa: float | None
    map: Float32[np.ndarray, "h w"] | None
    reliability: str
    because: str
    limits: str

    def __post_init__(self) -> None:
        assert self.p_value is None or self.log10_nfa is None, "a finding has a p-value or an NFA, not both"
