"""From findings to a verdict: bounded, with reasons, and never "authentic".

The evidence of several tests of one image depends on each other in unknown ways, so p-values are combined by Holm's
procedure (1979), which holds under any dependence; weights (fixed beforehand) give tests that bound themselves a small
share of the level, since their p-values are tiny or one. An a-contrario test enters with p = min(1, NFA). Processing
history never enters: most authentic images were resized and saved again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from oddpixel.counting import counted

from .calibration import NOTHING_LASTS, Calibration, table
from .checks import check_of
from .facts.fact import Fact
from .finding import Finding, Status
from .gate import stratum_of
from .labels import Label

ALPHA = 0.05
MOST_PLACES = 2  # of a finding, in a sentence; its report has all
RESIZED = "resized"  # the history of a file that was, as a whole
TWICE = "double-jpeg"  # the question whether it was a JPEG before its last saving
RESAMPLING = ("resampling", "resampling-local")  # a peak of either is a sign that it was
SHARE_OF_NFA = 0.1  # of the level, for all a-contrario tests together
PROPOSITIONS = (
    "a part of the image differs in its history from the rest, as in the benchmark's manipulations",
    "the image was processed as a whole",
)
# ENFSI guideline for evaluative reporting (2015), example scale; nothing above is within reach of the calibration.
WORDS = ((1.0, "no support"), (2.0, "weak support"), (10.0, "moderate support"), (100.0, "moderately strong support"))


EVEN = 1.0  # of a finding whose share was not chosen
LOUD = -20.0  # log10 NFA: one such finding in 10^20 images without cause, if its model of them holds
NO_POWER = "no test that counts applies to this file: finding nothing means nothing"
LOST = (
    "{seen}; of {n} manipulations that were found before such a change {found} were found after it, so the traces of an edit "
    "may be lost"
)
UNAUDITED = "it does not decide in images of this kind, as calibrated ({because}); look at it"


@runtime_checkable
class Gated(Protocol):
    """What a verdict needs to know of a file before any test, whether a picture or a film."""

    @property
    def stratum(self) -> str:
        """The kind of file."""

    @property
    def reference(self) -> str:
        """The authentic files that statistics are compared with."""

    @property
    def foreign(self) -> str | None:
        """Why no test of the file can count, or None."""

    @property
    def degraded(self) -> str | None:
        """Why a negative result would mean nothing, or None."""

    @property
    def not_examined(self) -> str | None:
        """The part of the file that no test examined, or None."""


@dataclass(frozen=True)
class LikelihoodRatio:
    """How strongly the evidence supports one stated proposition over another.

    Arguments:
        propositions: the two that it weighs; it says nothing about any other pair.
        value: how much more likely the evidence is under the first; cut at the bounds.
        bound: the largest value (and one over the smallest) that the calibration supports (ELUB, Vergeer et al. 2016).
        n: sources of the calibration, manipulated and authentic.
    """

    propositions: tuple[str, str]
    value: float
    bound: tuple[float, float]
    n: tuple[int, int]

    @property
    def words(self) -> str:
        """The ratio on the verbal scale that expert reports use (ENFSI 2015), as a half sentence."""
        if self.value < 1:
            return f"weak support for the second proposition, at most {1 / self.bound[0]:.1f} times"
        return next(words for least, words in reversed(WORDS) if self.value >= least) + " for the first proposition"


@dataclass(frozen=True)
class Verdict:
    """The bounded conclusion about one image.

    Arguments:
        label: one of six.
        because: reasons, in words.
        p_value: of the fused tests (Holm), or None where none applied.
        alpha: the rate of false alarms that the label keeps.
        power: what share of benchmark manipulations the tests find in images like this one.
    """

    label: Label
    because: tuple[str, ...]
    p_value: float | None
    alpha: float
    likelihood_ratio: LikelihoodRatio | None
    power: str

    def as_json(self) -> dict[str, Any]:
        """The verdict as it stands in a report and in `--json`."""
        ratio = self.likelihood_ratio
        shown = None if ratio is None else {**vars(ratio), "words": ratio.words}
        return {**vars(self), "likelihood_ratio": shown}


def decide(
    gate: Gated,
    facts: Sequence[Fact],
    findings: Sequence[Finding],
    alpha: float = ALPHA,
    calibration: Calibration | None = None,
) -> Verdict:
    """Combine facts and fused findings (Holm, at level alpha) into one label with its reasons."""
    calibration = calibration or table()
    fused = [finding for finding in findings if counts(finding, gate, calibration)]
    p_value = holm(fused)
    hits = rejected(fused, alpha)
    ran = {check_of(finding.check) for finding in findings}
    missing = sorted(question for question in calibration.counting(gate.reference) if check_of(question) not in ran)
    # Both were measured with all tests that count: with fewer, neither holds.
    ratio = None if missing else _likelihood_ratio(p_value, gate, calibration)
    power = NO_POWER if findings and not fused else _power(gate, calibration, findings)
    power += f"; not run here, so it is less: {', '.join(missing)}" if missing and power != NO_POWER else ""

    def verdict(label: Label, *because: str) -> Verdict:
        unseen = (gate.not_examined,) if gate.not_examined else ()
        return Verdict(label, (*because, *unseen), p_value, alpha, ratio, power)

    signed = [fact.because for fact in facts if fact.name == "C2PA" and fact.value == "trusted"]
    if declared := [fact for fact in facts if fact.declares == "synthetic"]:
        first = declared[0]
        declaration = (
            f"the file itself says so ({first.name}: {shown(first.value)}); {first.because or 'anybody can write that'}"
        )
        return verdict(Label.DECLARED_SYNTHETIC, declaration, *signed, *(_said(finding) for finding in hits))
    if signed:
        return verdict(Label.PROVENANCE_VERIFIED, *signed, *(_said(finding) for finding in hits))
    if parts := [finding for finding in hits if finding.about == "manipulation"]:
        return verdict(Label.MANIPULATION, *(_said(finding) for finding in parts))
    if hits:
        return verdict(Label.ANOMALOUS, *(_said(finding) for finding in hits))
    loud = [finding for finding in findings if _is_loud(finding, gate, calibration)]
    if gate.degraded:
        return verdict(Label.INCONCLUSIVE, gate.degraded, *map(_said, loud))
    if not findings:
        return verdict(Label.INCONCLUSIVE, "none of the tests that were asked for is one of this kind of file")
    if not fused:
        return verdict(
            Label.INCONCLUSIVE,
            f"no test with a known rate of false alarms applies to this file ({gate.reference}); why not stands with each test",
        )
    if loud:
        audits = [(each, calibration.audit(each.check, gate.reference)["because"]) for each in loud]
        reasons = [f"{_said(each)}; {UNAUDITED.format(because=because)}" for each, because in audits]
        # The ratio knows nothing of them, and would speak against what the reader is asked to look at.
        return replace(verdict(Label.INCONCLUSIVE, *reasons), likelihood_ratio=None)
    if little := _why_silence_says_little(gate, findings, calibration, missing):
        return verdict(Label.INCONCLUSIVE, f"nothing was found, but {little}")
    failed = [finding.check for finding in findings if finding.status == "error"]
    names = ", ".join(finding.check for finding in fused)
    because = (
        f"the one test that counts here ({names}) did not reach the level {alpha:g}"
        if len(fused) == 1
        else f"none of the {len(fused)} tests that count here ({names}) reached its share of the level {alpha:g}"
    )
    return verdict(Label.NOTHING_FOUND, because, *([f"failed: {', '.join(failed)}"] if failed else []))


def histories_of(stratum: str, resampling: Sequence[float], first_quality: int | None = None) -> tuple[str, ...]:
    """What a file's pixels went through, as far as it shows: its stratum, an earlier JPEG, and whether the whole was resized.

    Any peak of resampling is a sign of the last, also one that only a part of the image shows. Where none could be looked for,
    a lossless file counts as resized; a JPEG hides it at any size.

    Arguments:
        resampling: the statistics of the tests for it that ran.
        first_quality: of the JPEG that it was before its last saving, where one is seen.
    """
    was_resized = max(resampling) > 0 if resampling else stratum == "lossless"
    earlier = () if first_quality is None else (stratum_of(first_quality),)
    return tuple(dict.fromkeys((stratum, *earlier, *((RESIZED,) if was_resized else ()))))


def _why_silence_says_little(
    gate: Gated, findings: Sequence[Finding], calibration: Calibration, missing: Sequence[str]
) -> str | None:
    """None where it says enough that nothing was found. Else not all looked, or what they look for may be lost since."""
    if not calibration.knows_what_lasts:
        return None
    if missing:
        names = ", ".join(dict.fromkeys(check_of(question) for question in missing))
        return f"not every test that may count in files of this kind was run: {names} would have to be"
    able = {check_of(question) for question in calibration.counting(gate.reference)}
    if failed := [each.check for each in findings if each.status == "error" and check_of(each.check) in able]:
        return f"{', '.join(failed)} failed"
    resampling = [each.statistic for each in findings if each.check in RESAMPLING and each.statistic is not None]
    quality = next((each.details.get("first_quality") for each in findings if each.check == TWICE), None)
    seen = {
        "jpeg-middle": "it is a JPEG of quality 70 to 89",
        NOTHING_LASTS: "it is a JPEG of quality below 70",
        RESIZED: "it shows signs of resizing" if resampling else "whether it was resized cannot be told at this size",
    }
    if quality is not None:
        seen[stratum_of(quality)] = f"it shows an earlier saving as JPEG of quality {quality}"
    lossy = [each for each in histories_of(gate.stratum, resampling, quality) if not calibration.keeps_traces(each)]
    if NOTHING_LASTS in lossy:
        return f"{seen[NOTHING_LASTS]}, which removes the traces that tests look for"
    measured = [(left["found"] / left["n"], each, left) for each in lossy if (left := calibration.lasting(each))]
    if not measured:
        return None
    _, history, left = min(measured, key=lambda each: each[0])
    return LOST.format(seen=seen[history], **left)


def _is_loud(finding: Finding, gate: Gated, calibration: Calibration) -> bool:
    """A finding that cannot be fused, and is far too strong to be passed over in silence."""
    return (
        finding.status == "evidence"
        and finding.about == "manipulation"
        and not counts(finding, gate, calibration)
        and finding.log10_nfa is not None
        and finding.log10_nfa <= LOUD
    )


def counts(finding: Finding, gate: Gated, calibration: Calibration) -> bool:
    """Whether a finding is fused: it has a p-value, is not about history, and its audited rate of false alarms held on files
    like this one.
    """
    return (
        gate.foreign is None
        and finding.status in ("evidence", "no-evidence")
        and finding.about != "history"
        and finding.probability is not None
        and bool(calibration.audit(finding.check, gate.reference)["fused"])
    )


def weights(findings: Sequence[Finding]) -> list[float]:
    """The findings' shares of the level, adding up to one.

    Those with a bound of their own have a tenth together. The others share the rest as was chosen on calibration images (a
    specialist whose p is at its smallest or none needs little); what belongs to tests that do not apply is dealt out alike.
    """
    bounded = [finding.log10_nfa is not None for finding in findings]
    if all(bounded):
        return [1 / len(findings)] * len(findings) if findings else []
    ranked = [
        0.0 if is_bounded else EVEN if finding.share is None else finding.share
        for finding, is_bounded in zip(findings, bounded, strict=True)
    ]
    shares = [share / sum(ranked) for share in ranked]
    if not any(bounded):
        return shares
    few = sum(bounded)
    return [
        SHARE_OF_NFA / few if is_bounded else (1 - SHARE_OF_NFA) * share
        for is_bounded, share in zip(bounded, shares, strict=True)
    ]


def adjusted(findings: Sequence[Finding]) -> list[float]:
    """Holm's adjusted p-values with weights (Holm 1979, section 4)."""
    share = weights(findings)
    p = [float(finding.probability or 0.0) for finding in findings]
    order = sorted(range(len(p)), key=lambda k: p[k] / share[k])
    answers, left, highest = [1.0] * len(p), 1.0, 0.0
    for k in order:
        highest = max(highest, min(1.0, p[k] * left / share[k]))
        answers[k] = highest
        left = max(left - share[k], 1e-12)
    return answers


def holm(findings: Sequence[Finding]) -> float | None:
    """The smallest adjusted p-value of the fused findings (Holm 1979); None without findings."""
    return min(adjusted(findings), default=None)


def rejected(findings: Sequence[Finding], alpha: float) -> list[Finding]:
    """The findings whose adjusted p-value reaches alpha."""
    return [finding for finding, p in zip(findings, adjusted(findings), strict=True) if p <= alpha]


def settled(
    findings: Sequence[Finding], gate: Gated, alpha: float = ALPHA, calibration: Calibration | None = None
) -> list[Finding]:
    """The findings as the verdict takes them: one that counts is evidence where it decides, and only there.

    A test's own level would now and then call evidence what the verdict does not, or find nothing in what decided it.
    """
    calibration = calibration or table()
    fused = [finding for finding in findings if counts(finding, gate, calibration)]
    deciding = {id(finding) for finding in rejected(fused, alpha)}
    settled: dict[int, Status] = {
        id(finding): "evidence" if id(finding) in deciding else "no-evidence" for finding in fused
    }
    answers = [replace(finding, status=settled.get(id(finding), finding.status)) for finding in findings]
    return [finding if finding.status == "evidence" else replace(finding, map=None) for finding in answers]


def shown(value: Any) -> str:
    """A value of a fact as text; lists with commas."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _said(finding: Finding) -> str:
    """With where: of a copied part both places, since nothing says which of them is the original."""
    regions = finding.details.get("regions") or []
    places = [
        f"rows {top} to {bottom}, columns {left} to {right}" for top, left, bottom, right in regions[:MOST_PLACES]
    ]
    more = f", and {counted(len(regions) - MOST_PLACES, 'more place')}" if len(regions) > MOST_PLACES else ""
    where = f", {' and '.join(places)}{more}" if places else ""
    return f"{finding.check}: {finding.because}{where}"


def _likelihood_ratio(p_value: float | None, gate: Gated, calibration: Calibration) -> LikelihoodRatio | None:
    fitted = calibration.likelihood_ratio(gate.reference)
    if fitted is None or p_value is None:
        return None
    low, high = fitted["bound"]
    log10 = fitted["intercept"] + fitted["slope"] * evidence_score(p_value)
    return LikelihoodRatio(PROPOSITIONS, float(np.clip(10.0**log10, low, high)), (low, high), tuple(fitted["n"]))


def evidence_score(p_value: float) -> float:
    """-log10 p, cut at 3: the evidence that the likelihood ratio is a function of.

    Beyond 3 the calibration has no data.
    """
    return float(np.clip(-np.log10(max(p_value, 1e-12)), 0, 3))


def _power(gate: Gated, calibration: Calibration, findings: Sequence[Finding]) -> str:
    """What was found of manipulations in files of this kind, less those that only a test finds which does not apply here."""
    idle = {finding.check for finding in findings if finding.status == "not-applicable"}
    rows = [row for row in calibration.power(gate.reference) if row.get("check") not in idle]
    if not rows:
        return f"not measured on files of this kind ({gate.reference}): finding nothing means nothing"
    hits, n = (sum(row[name] for row in rows) for name in ("found", "n"))
    rates = ", ".join(f"{row['manipulation']} {row['found']} of {row['n']}" for row in rows)
    return f"of benchmark manipulations in files of this kind these tests find {hits} of {n} ({rates}); others were not tried"
