"""Patterns of residuals in a row, as co-occurrences are counted (Cozzolino, Poggi and Verdoliva, WIFS 2015)."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Int

PATTERNS = 81  # four values in a row, three each


@cache
def folded() -> Int[np.ndarray, "81"]:
    """Each pattern's number once it, its mirror image and both with turned signs are one."""
    digits = np.array([[n // 27, n // 9 % 3, n // 3 % 3, n % 3] for n in range(PATTERNS)])
    weights = np.array([27, 9, 3, 1])
    alike = [pattern @ weights for pattern in (digits, digits[:, ::-1], 2 - digits, 2 - digits[:, ::-1])]
    return np.unique(np.min(alike, axis=0), return_inverse=True)[1]
