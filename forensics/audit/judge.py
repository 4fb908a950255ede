"""From measurements to findings: the one place where a number becomes evidence.

    a-contrario     evidence where log10 NFA <= -3; where authentic images were seen to exceed that bound, p by rank among them
    calibrated      p by rank among authentic images of the same kind, evidence where p <= 0.01
    history         evidence by its NFA; never counted

Calibrated statistics were measured on tiles of 384 pixels, so questions with the scope `tiles` are asked of a few tiles of a
larger image (drawn from the file's hash), and p is the smallest of theirs times their number (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from oddpixel.datasets.coefficients import Coefficients

from .calibration import Calibration, table
from .checks import Check
from .exhibit import Exhibit
from .finding import Finding
from .measurement import Answer, Measurement, NotApplicable, Question
from .nfa import REPORTED

Place = tuple[int, int]  # of a tile's first row and column
TILE = 384
LARGEST = 512  # pixels of the longer side up to which an image is one tile
MOST_TILES = 4
COUNTS = "counts in the verdict"  # how the reliability of a finding ends that does
LEVEL = 0.01  # p from which a calibrated check by itself calls it evidence; the verdict has a level of its own


def examine(
    exhibit: Exhibit, chosen: Sequence[Check], on_check: Callable[[str], None] = lambda name: None
) -> list[Finding]:
    """All findings about one exhibit, in the checks' order; a check that fails is a finding, never the end of the audit."""
    findings: list[Finding] = []
    for check in chosen:
        on_check(check.name)
        try:
            findings += _examined(exhibit, check, table())
        except Exception as error:
            findings.append(Finding(check.name, "error", because=f"{type(error).__name__}: {error}"[:300]))
    return [_with_audit(finding, exhibit.gate.stratum) for finding in findings]


def answers_of(check: Check, exhibit: Exhibit) -> list[Answer]:
    """The answers of a check about an exhibit, or why it cannot measure it."""
    because = exhibit.gate.too_small or check.applies(exhibit)
    return list(check.measure(exhibit)) if because is None else [NotApplicable(check.name, because)]


def _examined(exhibit: Exhibit, check: Check, calibration: Calibration) -> Iterator[Finding]:
    is_one_tile = max(exhibit.size) <= LARGEST
    whole = {question.name: question for question in check.questions if is_one_tile or question.scope == "image"}
    by_tile = {question.name: question for question in check.questions if question.name not in whole}
    if whole:
        for answer in answers_of(check, exhibit):
            if answer.question in whole or (isinstance(answer, NotApplicable) and not by_tile):
                yield _judged(check, whole.get(answer.question), [answer], exhibit, calibration, [(0, 0)])
    if by_tile:
        places = tiles(exhibit)
        answers = [_of(answers_of(check, crop(exhibit, place)), by_tile) for place in places]
        for column in zip(*answers, strict=False):
            # A tile that the check does not apply to answers for all questions at once: the others say which it is.
            asked = next((answer.question for answer in column if isinstance(answer, Measurement)), "")
            yield _judged(check, by_tile.get(asked), list(column), exhibit, calibration, places)


def _of(answers: Sequence[Answer], questions: Mapping[str, Question]) -> list[Answer]:
    return [answer for answer in answers if answer.question in questions or isinstance(answer, NotApplicable)]


def _judged(
    check: Check,
    question: Question | None,
    answers: Sequence[Answer],
    exhibit: Exhibit,
    calibration: Calibration,
    places: Sequence[Place],
) -> Finding:
    """One finding of the answers from one or several places."""
    measured = [
        (answer, place) for answer, place in zip(answers, places, strict=False) if isinstance(answer, Measurement)
    ]
    if question is None or not measured:
        first = answers[0]
        return Finding(first.question, "not-applicable", because=first.because)
    strongest, place = max(measured, key=lambda pair: pair[0].statistic)
    if question.about == "history":
        return _by_nfa(strongest, question)
    if check.kind == "a-contrario":
        return _bounded(strongest, question, exhibit, calibration)
    details = _placed(strongest.details, place) | (
        {"tiles": [list(place) for place in places]} if len(places) > 1 else {}
    )
    num_tests = max(len(measured), len(details.get("tiles", ())))
    return _by_rank(strongest, question, exhibit, calibration, place, details, num_tests)


def _by_nfa(measured: Measurement, question: Question) -> Finding:
    is_evidence = measured.log10_nfa is not None and measured.log10_nfa <= REPORTED
    return Finding(
        question.name, "evidence" if is_evidence else "no-evidence", measured.statistic, log10_nfa=measured.log10_nfa,
        map=measured.map if is_evidence else None, because=measured.because, limits=measured.limits, about=question.about,
        details=measured.details,
    )  # fmt: skip


def _bounded(measured: Measurement, question: Question, exhibit: Exhibit, calibration: Calibration) -> Finding:
    """By its NFA; where authentic images were seen to exceed it, p is not below the rank among them."""
    finding = _by_nfa(measured, question)
    if measured.log10_nfa is None or not calibration.audit(question.name, exhibit.gate.stratum).get("by_rank"):
        return finding
    p, n = calibration.p_value(question.name, exhibit.gate.stratum, measured.statistic) or (1.0, 0)
    p = max(p, float(finding.probability or 0.0))
    return replace(
        finding, p_value=p, log10_nfa=None, status="evidence" if p <= LEVEL else "no-evidence",
        map=measured.map if p <= LEVEL else None,
        reliability=f"log10 NFA {measured.log10_nfa:.1f}, which authentic images were seen to exceed: p by rank among {n} "
        "of them",
    )  # fmt: skip


def _by_rank(
    measured: Measurement,
    question: Question,
    exhibit: Exhibit,
    calibration: Calibration,
    place: Place,
    details: Mapping[str, Any],
    num_tests: int,
) -> Finding:
    """By its rank among authentic images of the same kind, where any were measured."""
    finding = Finding(
        question.name, "no-evidence", measured.statistic, because=measured.because, limits=measured.limits,
        about=question.about, details=details,
    )  # fmt: skip
    ranked = calibration.p_value(question.name, exhibit.gate.stratum, measured.statistic)
    if ranked is None:
        because = f"{measured.because}; no authentic images of this kind were measured ({exhibit.gate.stratum})"
        return replace(finding, status="not-applicable", because=because)
    p, n = min(1.0, ranked[0] * num_tests), ranked[1]
    return replace(
        finding, status="evidence" if p <= LEVEL else "no-evidence", p_value=p,
        map=_map_at(measured, place, exhibit.size) if p <= LEVEL else None,
        reliability=f"p by rank among {n} authentic sources of this kind",
    )  # fmt: skip


def _map_at(measured: Measurement, place: Place, size: tuple[int, int]) -> np.ndarray | None:
    """A tile's map in that of the whole image."""
    if measured.map is None:
        return None
    (top, left), (height, width) = place, measured.map.shape
    whole = np.zeros(size, np.float32)
    whole[top : top + height, left : left + width] = measured.map
    return whole


def _placed(details: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """With regions of a tile as regions of the image."""
    if "regions" not in details:
        return dict(details)
    top, left = place
    return dict(details) | {"regions": [[a + top, b + left, c + top, d + left] for a, b, c, d in details["regions"]]}


def counts_in_verdict(record: Mapping[str, Any]) -> bool:
    """Whether a finding, as a report has it, counts in the verdict; processing history never does."""
    return record["about"] != "history" and str(record["reliability"] or "").endswith(COUNTS)


def _with_audit(finding: Finding, stratum: str) -> Finding:
    """With what was measured of its error rate on images like this one."""
    if finding.status in ("not-applicable", "error") or finding.about == "history":
        return finding
    audit = table().audit(finding.check, stratum)
    fused = COUNTS if audit["fused"] else f"shown only, it does not count in the verdict: {audit['because']}"
    rate = ""
    if "false_alarms" in audit:
        rate = f"measured: {audit['false_alarms']} of {audit['n']} authentic images of this kind at its level; "
    return replace(finding, reliability="; ".join(filter(None, [finding.reliability, rate + fused])))


def tiles(exhibit: Exhibit) -> list[Place]:
    """The corners of at most four tiles, on the 8 x 8 grid of the file."""
    corners: list[list[int]] = []
    for length in exhibit.size:
        last = max(0, (length - TILE) // 8 * 8)
        corners.append(sorted({min(step, last) for step in range(0, last + TILE, TILE)}))
    every = [(top, left) for top in corners[0] for left in corners[1]]
    if len(every) <= MOST_TILES:
        return every
    order = np.random.default_rng(exhibit.seed).permutation(len(every))[:MOST_TILES]
    return [every[k] for k in sorted(order)]


def crop(exhibit: Exhibit, place: Place) -> Exhibit:
    """A tile as an exhibit of its own, judged as a part of the same file."""
    top, left = place
    pixels = np.ascontiguousarray(exhibit.pixels[top : top + TILE, left : left + TILE])
    coefficients = exhibit.coefficients
    if coefficients is not None:
        rows, columns = -(-pixels.shape[0] // 8), -(-pixels.shape[1] // 8)
        blocks = coefficients.blocks[top // 8 : top // 8 + rows, left // 8 : left // 8 + columns]
        coefficients = Coefficients(np.ascontiguousarray(blocks), coefficients.table)
    return Exhibit(exhibit.name, exhibit.content, pixels, exhibit.bits, coefficients, part_of=exhibit)
