"""Measured cases as the verdict takes them: rows of numbers with a stratum, a kind and the findings of all tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oddpixel.forensics.audit.calibration import Calibration
from oddpixel.forensics.audit.checks import check_of, checks
from oddpixel.forensics.audit.finding import Finding
from oddpixel.forensics.audit.gate import FULL_SIZE
from oddpixel.forensics.audit.verdict import RESAMPLING, TWICE, adjusted, histories_of

LEVEL = 0.05
BASELINES = ("plain-error-level", "plain-noise-variance")
Row = Mapping[str, Any]


def calibrated(finding: str) -> bool:
    """Whether a finding's p-value comes from authentic images, not from an NFA."""
    check = checks().get(check_of(finding))
    return check is not None and check.kind == "calibrated"


def by_rank(name: str, stratum: str, calibration: Calibration) -> bool:
    """Whether a finding's p-value is its rank among authentic images."""
    return calibrated(name) or bool(calibration.audit(name, stratum).get("by_rank"))


def as_finding(name: str, finding: Row, stratum: str, calibration: Calibration) -> Finding | None:
    """A measured result as the `Finding` that `examine` makes, without pictures; None where it has no p-value."""
    if finding["about"] == "history" or name in BASELINES:
        return None
    share = calibration.audit(name, stratum).get("share")
    if not by_rank(name, stratum, calibration):
        return Finding(name, "no-evidence", log10_nfa=finding["log10_nfa"], about=finding["about"])
    judged = calibration.p_value(name, stratum, finding["statistic"])
    if judged is None:
        return None
    bound = 0.0 if finding["log10_nfa"] is None else min(1.0, 10.0 ** finding["log10_nfa"])
    return Finding(name, "no-evidence", p_value=max(judged[0], bound), about=finding["about"], share=share)


def verdict_p(row: Row, calibration: Calibration) -> tuple[float | None, list[tuple[Finding, float]]]:
    """Holm's p-value over the findings that count, and each finding with its own adjusted one."""
    fused = [
        finding
        for name, measured in row["findings"].items()
        if (finding := as_finding(name, measured, row["stratum"], calibration)) is not None
        and calibration.audit(name, row["stratum"])["fused"]
    ]
    p_values = adjusted(fused)
    return min(p_values, default=None), list(zip(fused, p_values, strict=True))


def histories(row: Row) -> tuple[str, ...]:
    """The histories of a measured case, as the verdict names them."""
    findings = row["findings"]
    resampling = [findings[name]["statistic"] for name in RESAMPLING if name in findings]
    first_quality = findings.get(TWICE, {}).get("first_quality")
    return histories_of(row["stratum"].removesuffix(FULL_SIZE), resampling, first_quality)
