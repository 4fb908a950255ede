"""How strongly guidance acts on the way up, by the number of high-resolution tokens. On the way down it is always 1.

As published: 0.7 from 96 x 96 on, 0.5 from 72 x 72, else 0.3, in evaluation; 1 in training. That jumps with the size, and the
network is trained at 1; `smooth` joins the published points by straight lines over log tokens.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

Strength = Callable[[int, int], float]
STEPS = ((96 * 96, 0.7), (72 * 72, 0.5))
BELOW = 0.3


def published(height: int, width: int) -> float:
    """The published steps: 0.7 from 96 x 96 tokens on, 0.5 from 72 x 72, else 0.3."""
    return next((value for tokens, value in STEPS if height * width >= tokens), BELOW)


def smooth(height: int, width: int) -> float:
    """Linear interpolation of the published points over log tokens; constant beyond them."""
    points = ((48 * 48, BELOW), *reversed(STEPS))
    at = math.log(height * width)
    for (few, low), (many, high) in pairwise(points):
        if at < math.log(many):
            share = max((at - math.log(few)) / (math.log(many) - math.log(few)), 0.0)
            return low + share * (high - low)
    return points[-1][1]


def full(height: int, width: int) -> float:
    """Full strength at every size, as in training."""
    return 1.0
