"""Visual aids: pictures for an experienced eye, found by walking this folder (a module with an `AID`). They have no error
rate, they are never fused with tests, and bright does not mean changed.
"""

from __future__ import annotations

from functools import cache
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from oddpixel.discover import discover

from ..exhibit import Exhibit

LABEL = "visual aid, no error rate"


@runtime_checkable
class Aid(Protocol):
    """A picture for the eye alone, drawn from one image and explained in one sentence or two."""

    name: str
    title: str
    explanation: str

    def draw(self, exhibit: Exhibit) -> UInt8[np.ndarray, "h w *c"]:
        """The picture in 8 bits, grey or RGB, at the size of the image or smaller."""
        ...


@cache
def aids() -> dict[str, Aid]:
    """Every picture without an error rate, by its name."""
    return discover(__name__, "AID")


def stretched(values: np.ndarray, high: float) -> UInt8[np.ndarray, "h w *c"]:
    """The picture in 8 bits, 0 black and `high` white: one scale for all pictures, so that two can be compared."""
    return np.rint(np.clip(values / high, 0, 1) * 255).astype(np.uint8)
