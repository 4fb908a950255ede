"""Raw scores of a batch -> decisions: per group, with what they promise, and whether the promise can be kept.

    marginal               flag where p <= alpha
    training-conditional   flag where p <= k / (n + 1) (`guarantee`)
    false discovery rate   flag where q <= fdr (Benjamini-Hochberg over the groups of the batch)

A group's score is the largest of its members', its p-value and decision are theirs too. Each group is compared with calibration
groups of its own stratum where there are enough, with all of them otherwise, and then the promise no longer holds stratum by
stratum. Larger groups than those calibrated on, and a drift alarm, withdraw it: the batch is not what the detector was
calibrated for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from oddpixel.counting import counted
from oddpixel.errors import CalibrationTooSmall, UsageError

from .calibrated import Calibrated, stratum
from .calibration import Calibration
from .conformal import group_maxima, q_values
from .drift import differs, drift
from .group_sizes import Sizes
from .guarantee import Guarantee, groups_needed, guarantee, rate_text, smallest_alpha

DRIFT_LEVEL = 0.01


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How to decide.

    Arguments:
        alpha: rate of false alarms; with `confidence`, for this very calibration set.
        fdr: instead of alpha: share of false alarms among all that is flagged.
        strata: technical facts that groups are compared within (`calibrated.STRATA`).
    """

    alpha: float = 0.05
    confidence: float | None = None
    fdr: float | None = None
    strata: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.fdr is not None and self.confidence is not None:
            raise UsageError("--fdr and --confidence promise different things; choose one")
        if self.fdr is not None and not 0 < self.fdr < 1:
            raise UsageError(f"the false discovery rate must lie between 0 and 1, got {self.fdr:g}")

    @classmethod
    def of(
        cls, *, alpha: float | None, confidence: float | None, fdr: float | None, strata: Sequence[str] = ()
    ) -> Rule:
        """The rule that a user's options make, 0.05 where no rate is given. Raises: UsageError where two are."""
        if alpha is not None and fdr is not None:
            raise UsageError("--alpha bounds false alarms among normals, --fdr among what is flagged; give one of them")
        return cls(alpha=0.05 if alpha is None else alpha, confidence=confidence, fdr=fdr, strata=tuple(strata))


@dataclass(frozen=True, eq=False)
class Decided:
    """Of a batch.

    Arguments:
        groups: in order of first appearance; the arrays follow it.
            promise: in words; empty where it was withdrawn.
        warnings: what weakens it.
    """

    groups: list[str]
    p_value: Float[np.ndarray, "g"]
    q_value: Float[np.ndarray, "g"]
    flagged: np.ndarray
    stratum: list[str]
    promise: str
    drift_alarm: bool
    warnings: list[str] = field(default_factory=list)


def decide(
    scores: Float[np.ndarray, "m"],
    groups: Sequence[str],
    facts: Sequence[Mapping[str, str]],
    calibrated: Calibrated,
    rule: Rule,
    *,
    doubts: Sequence[str] = (),
    seed: int = 0,
) -> Decided:
    """P-values, q-values and decisions of a batch by group, with the guarantee they have and any warnings.

    Arguments:
        scores: one an image, in order of arrival.
        groups, facts: of each image.
        doubts: of the detector, why nothing can be promised.

    Where a calibration is too small for the rule, groups are ranked and none is flagged; a warning says which rate is possible.

    Raises: UsageError (a group in two strata).
    """
    names, maxima = group_maxima(np.asarray(scores, np.float64), groups)
    by_group = dict(zip(groups, (stratum(each, rule.strata) for each in facts), strict=True))
    strata = [by_group[name] for name in names]
    calibration = calibrated.by_strata(rule.strata)
    p = calibration.p_values(maxima, strata)
    q = q_values(p)
    warnings = []
    if rule.strata:
        for each in sorted({each for each in strata if not calibration.stands_alone(each)}):
            found = len(calibration.scores.get(each, ()))
            warnings.append(
                f"stratum {each}: {found} calibration groups, fewer than {calibration.smallest_stratum}; compared with all "
                "strata together, so nothing is promised for this stratum by itself"
            )
    if rule.fdr is not None:
        flagged, promise = q <= rule.fdr, _fdr_promise(rule.fdr, calibrated.num_groups)
        if (least := _fewest_rejections(calibrated.num_groups, len(names), rule.fdr)) > 1 and not flagged.any():
            warnings.append(
                f"with {calibrated.num_groups} calibration groups and {len(names)} incoming ones, nothing can be flagged at "
                f"this rate unless at least {least} groups are odder than every normal; calibrate on more normals"
            )
    else:
        sizes_of = {each: len(calibration.reference(each)) for each in set(strata)}
        promised = {each: promised_by(count, rule) for each, count in sizes_of.items()}
        flagged = np.array([value <= _threshold(promised[each]) for value, each in zip(p, strata, strict=True)], bool)
        for count in sorted({sizes_of[each] for each, kept in promised.items() if kept is None}):
            warnings.append(ranked_only(count, rule))
        if None in promised.values():
            promise = ""
        elif rule.strata:
            promise = "; ".join(f"{each}: {promised[each]}" for each in sorted(promised))
        else:
            promise = str(guarantee(calibrated.num_groups, rule.alpha, rule.confidence))
    sizes = Sizes.of(groups, by_group, _reference_sizes(calibrated, calibration, rule, strata))
    if sizes.warning is not None:
        warnings.append(sizes.warning)
        promise = sizes.promise(promise)
    shifted = differs(maxima, calibration.pooled, level=DRIFT_LEVEL / 2)
    alarm = shifted or drift(maxima, calibration.pooled, level=DRIFT_LEVEL / 2, seed=seed).alarm_at is not None
    if alarm:
        half = ", even the less odd half" if shifted else ""
        warnings.append(
            f"the incoming groups as a whole differ from the calibration{half} (drift alarm, at most 1 % false): nothing is "
            "promised about false alarms or about what is found; if they are normal, calibrate on such normals"
        )
        promise = ""
    if doubts:
        promise = ""
    return Decided(names, p, q, flagged, strata, promise, alarm, [*warnings, *doubts])


def promised_by(count: int, rule: Rule) -> Guarantee | None:
    """What so many calibration groups promise at the rule's rate; None where they are too few."""
    try:
        return guarantee(count, rule.alpha, rule.confidence)
    except CalibrationTooSmall:
        return None


def _threshold(promised: Guarantee | None) -> float:
    return 0.0 if promised is None else promised.threshold


def ranked_only(count: int, rule: Rule) -> str:
    """Why nothing is flagged, and the smallest rate that could be promised."""
    least = smallest_alpha(count, rule.confidence)
    sure = "" if rule.confidence is None else f" at {rule.confidence:g} confidence"
    return (
        f"ranked only, nothing is flagged: {counted(count, 'calibration group')} cannot promise a false-alarm rate of "
        f"{rule.alpha:g}{sure}, which takes {groups_needed(rule.alpha, rule.confidence)}; the smallest rate that they can is "
        f"{rate_text(least)} (--alpha {rate_text(least)})"
    )


def _reference_sizes(
    calibrated: Calibrated, calibration: Calibration, rule: Rule, strata: Sequence[str]
) -> dict[str, list[int]]:
    """Images of the calibration groups that each stratum is compared with."""
    sizes = calibrated.sizes_by_strata(rule.strata)
    pooled = [size for each in sizes.values() for size in each]
    return {each: sizes[each] if calibration.stands_alone(each) else pooled for each in set(strata)}


def _fdr_promise(fdr: float, num_groups: int) -> str:
    return f"on average at most {fdr:g} of what is flagged is normal, by a calibration of {num_groups} groups"


def _fewest_rejections(n: int, m: int, fdr: float) -> int:
    """Benjamini-Hochberg can reject k of m only if 1 / (n + 1) <= fdr k / m."""
    return int(np.ceil(m / (fdr * (n + 1)) - 1e-9))
