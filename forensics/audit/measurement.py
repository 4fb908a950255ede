"""What a check sees in one exhibit: numbers, maps and words. What they mean for the image is said elsewhere (`judge`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

About = Literal["history", "manipulation", "anomaly"]
Scope = Literal["image", "tiles"]


@dataclass(frozen=True)
class Question:
    """One thing that a check asks of an image.

    Arguments:
        name: the check's own, or `NAME-local` where it is about parts.
        about: how the file as a whole was processed, whether a part of it differs from the rest, or whether it is unlike
            photographs for a cause unknown. None is evidence for another.
        scope: whether a large image is measured whole, or by tiles of the size that authentic images were measured at.
    """

    name: str
    about: About = "manipulation"
    scope: Scope = "image"


@dataclass(frozen=True, eq=False)
class Measurement:
    """A check's answer to one of its questions.

    Arguments:
        question: its name.
        statistic: higher is odder.
        log10_nfa: of an a-contrario test, the logarithm of its number of false alarms.
        because: what was seen, in words.
        map: where, per pixel `[h, w]` in 0..1 at the exhibit's size; None where nothing is marked.
        limits: what this test cannot see, or what else could look like this.
        details: what was measured, as JSON knows it; `regions` are boxes (top, left, bottom, right) in pixels.
    """

    question: str
    statistic: float
    because: str
    log10_nfa: float | None = None
    map: Float32[np.ndarray, "h w"] | None = None
    limits: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NotApplicable:
    """Why a question (or, by a check's name, all of its questions) cannot be asked of an exhibit."""

    question: str
    because: str


Answer = Measurement | NotApplicable
