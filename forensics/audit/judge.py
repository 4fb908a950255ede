"""From measurements to findings: the one place where a number becomes evidence.

    a-contrario     evidence where log10 NFA <= -3; where authentic images were seen to exceed that bound, p by rank among them
    calibrated      p by rank among authentic images of the same kind, evidence where p <= 0.01 and it does not count
    history         evidence by its NFA; never counted

An image of up to 512 pixels is one tile and compared with authentic tiles. Of a larger one, questions with the scope `tiles`
are asked of all its tiles of 384 pixels, and their largest statistic is compared with that of whole authentic photographs
(`full_size`), so that p says how often a whole image, not a tile, looks like this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from oddpixel.datasets.coefficients import Coefficients

from .calibration import Calibration, table
from .checks import Check
from .exhibit import Exhibit
from .finding import Finding
from .gate import Gate
from .measurement import Answer, Measurement, NotApplicable, Question
from .nfa import REPORTED

Place = tuple[int, int]  # of a tile's first row and column
TILE = 384
MOST_TILES = 256  # 38 megapixels; of a larger image these are spread evenly, and the finding says which share they are
LEVEL = 0.01  # p from which a check that does not count calls it evidence; for those that count, the verdict says (`settled`)
NO_PHOTOGRAPH = "this is no photograph (see the verdict)"
MAPPED = 0.05  # p up to which a map is kept, for the verdict may call it evidence


def examine(
    exhibit: Exhibit, chosen: Sequence[Check], on_check: Callable[[str], None] = lambda name: None
) -> list[Finding]:
    """All findings about one exhibit, in the checks' order; a check that fails is a finding, never the end of the audit."""
    findings: list[Finding] = []
    for check in chosen:
        on_check(check.name)
        try:
            findings += [_judged(check, asked, exhibit, table()) for asked in asked_of(check, exhibit)]
        except Exception as error:
            findings.append(Finding(check.name, "error", because=f"{type(error).__name__}: {error}"[:300]))
    return [_with_audit(finding, exhibit.gate) for finding in findings]


def answers_of(check: Check, exhibit: Exhibit) -> list[Answer]:
    """The answers of a check about an exhibit, or why it cannot measure it."""
    because = exhibit.gate.too_small or check.applies(exhibit)
    return list(check.measure(exhibit)) if because is None else [NotApplicable(check.name, because)]


@dataclass(frozen=True, eq=False)
class Asked:
    """One question put to an exhibit: to all of it, or to its tiles.

    Arguments:
        question: None where the check does not apply to any place.
        answers: one a place.
        places: corners of the tiles; the first corner of the image where it was asked of the whole.
    """

    question: Question | None
    answers: list[Answer]
    places: list[Place]

    @property
    def measured(self) -> list[tuple[Measurement, Place]]:
        """The measurements among the answers, with their places."""
        pairs = zip(self.answers, self.places, strict=False)
        return [(answer, place) for answer, place in pairs if isinstance(answer, Measurement)]


def asked_of(check: Check, exhibit: Exhibit) -> Iterator[Asked]:
    """All questions of a check put to an exhibit, those with the scope `tiles` to each tile of a large one."""
    is_large = exhibit.gate.is_full_size and exhibit.part_of is None
    whole = {question.name: question for question in check.questions if not is_large or question.scope == "image"}
    by_tile = {question.name: question for question in check.questions if question.name not in whole}
    if whole:
        for answer in answers_of(check, exhibit):
            # Why the check does not apply is said once, by its tiles where it has any.
            if not by_tile if isinstance(answer, NotApplicable) else answer.question in whole:
                yield Asked(whole.get(answer.question), [answer], [(0, 0)])
    if by_tile:
        places = tiles(exhibit)
        answers = [_of(answers_of(check, crop(exhibit, place)), by_tile) for place in places]
        for column in zip(*answers, strict=False):
            # A tile that the check does not apply to answers for all questions at once: the others say which it is.
            name = next((answer.question for answer in column if isinstance(answer, Measurement)), "")
            yield Asked(by_tile.get(name), list(column), places)


def _of(answers: Sequence[Answer], questions: Mapping[str, Question]) -> list[Answer]:
    return [answer for answer in answers if answer.question in questions or isinstance(answer, NotApplicable)]


def _judged(check: Check, asked: Asked, exhibit: Exhibit, calibration: Calibration) -> Finding:
    """One finding of the answers from one or several places."""
    question = asked.question
    if question is None or not asked.measured:
        first = asked.answers[0]
        return Finding(first.question, "not-applicable", because=first.because)
    strongest, place = max(asked.measured, key=lambda pair: pair[0].statistic)
    if question.about == "history":
        return _by_nfa(strongest, question)
    if check.kind == "a-contrario":
        return _bounded(strongest, question, exhibit, calibration)
    return _by_rank(strongest, question, exhibit, calibration, place, asked)


def _by_nfa(measured: Measurement, question: Question) -> Finding:
    is_evidence = measured.log10_nfa is not None and measured.log10_nfa <= REPORTED
    is_mapped = measured.log10_nfa is not None and measured.log10_nfa <= np.log10(MAPPED)
    return Finding(
        question.name, "evidence" if is_evidence else "no-evidence", measured.statistic, log10_nfa=measured.log10_nfa,
        map=measured.map if is_mapped else None, because=measured.because, limits=measured.limits, about=question.about,
        details=measured.details,
    )  # fmt: skip


def _bounded(measured: Measurement, question: Question, exhibit: Exhibit, calibration: Calibration) -> Finding:
    """By its NFA; where authentic photographs were seen to exceed it, p is not below the rank among them."""
    finding = _by_nfa(measured, question)
    if (
        measured.log10_nfa is None
        or exhibit.gate.foreign
        or not calibration.audit(question.name, exhibit.gate.reference).get("by_rank")
    ):
        return finding
    ranked = _rank(calibration, question, exhibit, measured.statistic, 1)
    p, n = ranked or (1.0, 0)
    p = max(p, float(finding.probability or 0.0))
    return replace(
        finding, p_value=p, log10_nfa=None, status="evidence" if p <= LEVEL else "no-evidence",
        map=measured.map if p <= MAPPED else None,
        share=calibration.audit(question.name, exhibit.gate.reference).get("share"),
        reliability=f"log10 NFA {measured.log10_nfa:.1f}, which authentic images were seen to exceed: p by rank among {n} "
        "of them",
    )  # fmt: skip


def _by_rank(
    measured: Measurement,
    question: Question,
    exhibit: Exhibit,
    calibration: Calibration,
    place: Place,
    asked: Asked,
) -> Finding:
    """By its rank among authentic images of the same kind, where any were measured."""
    num_tiles = len(asked.places)
    details = _placed(measured.details, place)
    share = calibration.audit(question.name, exhibit.gate.reference).get("share")
    if num_tiles > 1:
        covered = min(1.0, num_tiles * TILE**2 / (exhibit.size[0] * exhibit.size[1]))
        details |= {"num_tiles": num_tiles, "share": round(covered, 3)}
    finding = Finding(
        question.name, "no-evidence", measured.statistic, because=measured.because, limits=measured.limits,
        about=question.about, details=details, share=share,
    )  # fmt: skip
    ranked = _rank(calibration, question, exhibit, measured.statistic, len(asked.measured))
    if ranked is None:
        because = f"{measured.because}; no authentic images of this kind were measured ({exhibit.gate.reference})"
        return replace(finding, status="not-applicable", because=because)
    p, n = ranked
    among = "whole authentic photographs" if exhibit.gate.is_full_size else "authentic sources"
    return replace(
        finding, status="evidence" if p <= LEVEL else "no-evidence", p_value=p,
        map=_joined(asked, max(p, LEVEL), exhibit, calibration) if p <= MAPPED else None,
        reliability=f"p by rank among {n} {among} of this kind",
    )  # fmt: skip


def _rank(
    calibration: Calibration, question: Question, exhibit: Exhibit, statistic: float, num_tiles: int
) -> tuple[float, int] | None:
    """p, and the number of sources it rests on; None where no authentic images of this kind were measured."""
    reference = exhibit.gate.reference
    return calibration.p_value(
        question.name, reference, calibration.oddness(question.name, reference, statistic, num_tiles)
    )


def _joined(asked: Asked, level: float, exhibit: Exhibit, calibration: Calibration) -> np.ndarray | None:
    """The maps of all tiles that reach a level, in that of the whole image; None without any."""
    assert asked.question is not None
    whole: np.ndarray | None = None
    for answer, (top, left) in asked.measured:
        ranked = _rank(calibration, asked.question, exhibit, answer.statistic, len(asked.measured))
        if answer.map is not None and ranked is not None and ranked[0] <= level:
            whole = np.zeros(exhibit.size, np.float32) if whole is None else whole
            height, width = answer.map.shape
            here = whole[top : top + height, left : left + width]
            np.maximum(here, answer.map, out=here)
    return whole


def _placed(details: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """With regions of a tile as regions of the image."""
    if "regions" not in details:
        return dict(details)
    top, left = place
    return dict(details) | {"regions": [[a + top, b + left, c + top, d + left] for a, b, c, d in details["regions"]]}


def _with_audit(finding: Finding, gate: Gate) -> Finding:
    """With what was measured of its error rate on images like this one."""
    if finding.status in ("not-applicable", "error") or finding.about == "history":
        return finding
    audit = table().audit(finding.check, gate.reference)
    because = NO_PHOTOGRAPH if gate.foreign else None if audit["fused"] else audit["because"]
    fused = "counts in the verdict" if because is None else f"shown only, it does not count in the verdict: {because}"
    rate = ""
    if "false_alarms" in audit and gate.foreign is None:
        rate = f"measured: {audit['false_alarms']} of {audit['n']} authentic images of this kind at its level; "
    return replace(finding, reliability="; ".join(filter(None, [finding.reliability, rate + fused])))


def tiles(exhibit: Exhibit) -> list[Place]:
    """The corners of all tiles, on the 8 x 8 grid of the file; of a huge image a part of them, spread evenly."""
    corners: list[list[int]] = []
    for length in exhibit.size:
        last = max(0, (length - TILE) // 8 * 8)
        corners.append(sorted({min(step, last) for step in range(0, last + TILE, TILE)}))
    every = [(top, left) for top in corners[0] for left in corners[1]]
    chosen = np.linspace(0, len(every) - 1, min(MOST_TILES, len(every))).round().astype(int)
    return [every[k] for k in chosen]


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
