"""Vectors of normals, each with the group that it came from, so that any group can be left out."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Int64

from oddpixel.errors import CalibrationTooSmall

from .neighbours import mean_distance

Rows = Float32[np.ndarray, "_n _d"]
ONE_GROUP = (
    "all normals that are remembered are of one group, which cannot be compared with itself; add normals of another"
)
NO_GROUP = -1  # of vectors taken in after the calibration: they are left out with nobody


class Memory:
    """Grows by appending; what is kept on disk are the vectors and the number of each one's group."""

    def __init__(self) -> None:
        self._parts: list[Rows] = []
        self._numbers: list[Int64[np.ndarray, "_n"]] = []
        self._groups: dict[str, int] = {}

    def append(self, rows: Rows, group: str | None = None) -> None:
        """Take in vectors of one normal."""
        number = NO_GROUP if group is None else self._groups.setdefault(group, len(self._groups))
        self._parts.append(rows.astype(np.float32))
        self._numbers.append(np.full(len(rows), number))

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    @property
    def rows(self) -> Rows:
        """All of them."""
        self._join()
        return self._parts[0]

    @property
    def numbers(self) -> Int64[np.ndarray, "_n"]:
        """The number of each one's group."""
        self._join()
        return self._numbers[0]

    def without(self, group: str | None) -> Rows:
        """All but those of a group. Raises: CalibrationTooSmall where there is no other."""
        if group is None or group not in self._groups:
            return self.rows
        kept: Rows = self.rows[self.numbers != self._groups[group]]
        if not len(kept):
            raise CalibrationTooSmall(ONE_GROUP)
        return kept

    def distance(self, queries: Rows, k: int, without: str | None = None) -> Float[np.ndarray, "_q"]:
        """The mean distance to the k nearest."""
        return mean_distance(queries, self.without(without), k)

    def state(self) -> dict[str, np.ndarray]:
        """Vectors and numbers of groups."""
        return {"bank": self.rows, "bank_groups": self.numbers}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Set both. Raises: ValueError where they do not fit together."""
        rows, numbers = state["bank"], state["bank_groups"]
        if rows.ndim != 2 or not len(rows) or numbers.shape != (len(rows),):
            raise ValueError(f"a bank of shape {rows.shape} with groups of shape {numbers.shape}")
        self._parts, self._numbers = [rows], [numbers]

    def _join(self) -> None:
        if len(self._parts) != 1:
            self._parts = [np.concatenate(self._parts)]
            self._numbers = [np.concatenate(self._numbers)]
