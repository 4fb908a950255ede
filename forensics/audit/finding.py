"""What the audit says about one image in answer to one question, by measurement and calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from .measurement import About

Status = Literal["evidence", "no-evidence", "not-applicable", "error"]


@dataclass(frozen=True, eq=False)
class Finding:
    """The answer to one question of a check, with what it rests on and what it cannot say. Made by `judge` alone.

    Arguments:
        check: the question's name: the check's own, or `NAME-local` for parts of the image.
        status: `evidence`, `no-evidence`, `not-applicable` or `error`.
        statistic: the check's own number, higher is odder, or None.
        p_value: where the check has one; else
        log10_nfa: the logarithm of its number of false alarms (a contrario). At most one of the two is given.
        map: per-pixel evidence `[h, w]` in 0..1, at the image's size or a whole fraction of it, or None.
        reliability: what is known of its error rate here, in words.
        because: why, in words.
        limits: what this check cannot see, or what else could look like this.
        about: how the file as a whole was processed, whether a part of it differs from the rest, or that it is unlike
            photographs for a cause unknown. None is evidence for another.
        share: of a calibrated test that counts, its part of the level, in parts of all that such tests have; chosen beforehand.
        details: what was measured, as JSON knows it; `regions` are boxes (top, left, bottom, right) in pixels.
    """

    check: str
    status: Status
    statistic: float | None = None
    p_value: float | None = None
    log10_nfa: float | None = None
    map: Float32[np.ndarray, "h w"] | None = None
    reliability: str = ""
    because: str = ""
    limits: str = ""
    about: About = "manipulation"
    share: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.p_value is None or self.log10_nfa is None, "a finding has a p-value or an NFA, not both"

    @property
    def probability(self) -> float | None:
        """The p-value, or the bound on it that an NFA gives: min(1, NFA) (Markov)."""
        if self.log10_nfa is not None:
            return float(min(1.0, 10.0 ** max(self.log10_nfa, -300.0)))
        return self.p_value
