"""What a detector was calibrated on: one row an image, and what follows for p-values, thresholds and maps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float

from oddpixel.errors import CalibrationTooSmall, UsageError
from oddpixel.image import Image, Unreadable
from oddpixel.naming import no_such

from .calibration import EVERYTHING, Calibration
from .conformal import group_maxima, p_values
from .guarantee import Guarantee

# Technical facts that strata can be made of.
STRATA = ("modality", "manufacturer", "model", "format")
UNKNOWN = "unknown"


@dataclass(frozen=True)
class CalibrationImage:
    """One calibration image.

    Arguments:
        raw: its fused score.
        heat_max: the largest evidence on its map.
        evidence: of each channel.
        facts: values of `STRATA`.
    """

    item: str
    group: str
    sha256: str
    raw: float
    heat_max: float
    evidence: Mapping[str, float]
    facts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, image: Image, raw: float, heat_max: float, evidence: Mapping[str, float]) -> CalibrationImage:
        """The row of an image, given its score and evidence; group, hash and facts come from the image."""
        return cls(image.source, image.group, image.sha256, raw, heat_max, dict(evidence), facts_of(image))


@dataclass(frozen=True)
class Calibrated:
    """Rows of images that were used for nothing else."""

    rows: tuple[CalibrationImage, ...]

    @cached_property
    def groups(self) -> list[str]:
        """The group of each row, in row order."""
        return [row.group for row in self.rows]

    @cached_property
    def num_groups(self) -> int:
        """The number of distinct groups, the n of every guarantee."""
        return len(set(self.groups))

    @cached_property
    def maxima(self) -> Float[np.ndarray, "n"]:
        """Scores of the groups: their members' largest."""
        return self._maxima([row.raw for row in self.rows])

    @cached_property
    def heat_maxima(self) -> Float[np.ndarray, "n"]:
        """The largest value on any heat map of each group."""
        return self._maxima([row.heat_max for row in self.rows])

    @cached_property
    def channel_maxima(self) -> dict[str, Float[np.ndarray, "n"]]:
        """The largest evidence in each group, channel by channel."""
        return {name: self._maxima([row.evidence[name] for row in self.rows]) for name in self.rows[0].evidence}

    def by_strata(self, names: Sequence[str]) -> Calibration:
        """Group maxima by stratum. Raises: UsageError (a group in two strata)."""
        strata = [stratum(row.facts, names) for row in self.rows]
        return Calibration.of(np.array([row.raw for row in self.rows]), self.groups, strata)

    def sizes_by_strata(self, names: Sequence[str]) -> dict[str, list[int]]:
        """How many images each calibration group has, by stratum."""
        strata = {row.group: stratum(row.facts, names) for row in self.rows}
        sizes: dict[str, list[int]] = {}
        for group, size in Counter(self.groups).items():
            sizes.setdefault(strata[group], []).append(size)
        return sizes

    def p_values(self, scores: Float[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
        """Conformal p-values of group scores, against all calibration groups together."""
        return p_values(np.asarray(scores, np.float64), self.maxima)

    def channel_p_values(self, evidence: Mapping[str, float]) -> dict[str, float]:
        """Of one image, channel by channel; descriptive."""
        return {
            name: float(p_values(np.array([value]), self.channel_maxima[name])[0]) for name, value in evidence.items()
        }

    def threshold(self, promised: Guarantee) -> float:
        """The score above which a group is flagged."""
        return _exceeded_by(self.maxima, promised.threshold)

    def heat_threshold(self, promised: Guarantee) -> float:
        """The evidence above which a place is marked: by the maximum of each calibration map, so that at most `alpha` of normal
        groups have any place marked at all."""
        return _exceeded_by(self.heat_maxima, promised.threshold)

    def table(self) -> Any:
        """As a pandas DataFrame, one row an image."""
        import pandas as pd

        flat = [
            {
                "item": row.item,
                "group": row.group,
                "sha256": row.sha256,
                "raw": row.raw,
                "heat_max": row.heat_max,
                **{f"evidence:{name}": value for name, value in row.evidence.items()},
                **{f"fact:{name}": value for name, value in row.facts.items()},
            }
            for row in self.rows
        ]
        return pd.DataFrame(flat)

    @classmethod
    def from_table(cls, table: Any) -> Calibrated:
        """Inverse of `table`: rows from the columns of calibration.parquet."""

        def part(row: Mapping[str, Any], prefix: str) -> dict[str, Any]:
            return {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}

        rows = [
            CalibrationImage(
                row["item"],
                row["group"],
                row["sha256"],
                float(row["raw"]),
                float(row["heat_max"]),
                part(row, "evidence:"),
                part(row, "fact:"),
            )
            for row in table.to_dict("records")
        ]
        return cls(tuple(rows))

    def _maxima(self, values: Sequence[float]) -> Float[np.ndarray, "n"]:
        if not values:
            raise CalibrationTooSmall(
                "this detector is calibrated on no images; give it some with `oddpixel calibrate`"
            )
        return group_maxima(np.array(values, np.float64), self.groups)[1]


def facts_of(image: Image | Unreadable) -> dict[str, str]:
    """The facts by which an image can be stratified, `UNKNOWN` where its metadata do not give one."""
    return {name: str(image.meta.get(name, UNKNOWN)) for name in STRATA}


def stratum(facts: Mapping[str, str], names: Sequence[str]) -> str:
    """`CT/SIEMENS` for the facts named. Raises: UsageError."""
    for name in names:
        if name not in STRATA:
            raise UsageError(no_such("stratum", name, STRATA))
    return "/".join(facts.get(name, UNKNOWN).replace("/", " ") for name in names) or EVERYTHING


def _exceeded_by(maxima: Float[np.ndarray, "n"], p_threshold: float) -> float:
    """p(s) <= threshold exactly where s > this: the k-th largest with k / (n + 1) <= threshold."""
    k = int(np.floor(p_threshold * (len(maxima) + 1) + 1e-9))
    return float(np.sort(maxima)[::-1][k - 1]) if k >= 1 else float("inf")
