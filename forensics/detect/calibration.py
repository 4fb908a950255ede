"""Scores of normal groups used for nothing else, by stratum (modality, device, format), with a fallback that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from oddpixel.errors import CalibrationTooSmall, UsageError

from .conformal import group_maxima, p_values

EVERYTHING = "all"


@dataclass(frozen=True, eq=False)
class Calibration:
    """Sorted calibration scores of each stratum.

    Arguments:
        scores: group maxima by stratum.
        smallest_stratum: with fewer groups than this a stratum falls back to all of them together, and loses the wording
            that holds per stratum.
    """

    scores: Mapping[str, Float[np.ndarray, "_n"]]
    smallest_stratum: int = 20

    @classmethod
    def of(
        cls, scores: Float[np.ndarray, "n"], groups: Sequence[str], strata: Sequence[str] | None = None, **options: int
    ) -> Calibration:
        """From one score an image. Raises: UsageError (a group in two strata), CalibrationTooSmall (no images)."""
        if not len(scores):
            raise CalibrationTooSmall("there are no normal images to calibrate on")
        stratum_of = dict(zip(groups, strata or [EVERYTHING] * len(groups), strict=True))
        for group, stratum in zip(groups, strata or [], strict=False):
            if stratum_of[group] != stratum:
                raise UsageError(f"group {group!r} is in two strata, {stratum!r} and {stratum_of[group]!r}")
        names, maxima = group_maxima(scores, groups)
        found: dict[str, list[float]] = {}
        for name, maximum in zip(names, maxima.tolist(), strict=True):
            found.setdefault(stratum_of[name], []).append(maximum)
        return cls({stratum: np.sort(values) for stratum, values in found.items()}, **options)

    @property
    def pooled(self) -> Float[np.ndarray, "n"]:
        """The scores of all strata together, in ascending order."""
        return np.sort(np.concatenate(list(self.scores.values())))

    def stands_alone(self, stratum: str) -> bool:
        """Whether a stratum has normals enough to be calibrated on its own."""
        return len(self.scores.get(stratum, ())) >= self.smallest_stratum

    def reference(self, stratum: str) -> Float[np.ndarray, "n"]:
        """The scores that a group of this stratum is compared with."""
        return self.scores[stratum] if self.stands_alone(stratum) else self.pooled

    def p_values(self, scores: Float[np.ndarray, "m"], strata: Sequence[str]) -> Float[np.ndarray, "m"]:
        """Of group maxima, each against its own stratum or the fallback."""
        found = np.empty(len(scores))
        for stratum in set(strata):
            mine = np.array([each == stratum for each in strata])
            found[mine] = p_values(scores[mine], self.reference(stratum))
        return found
