"""All findings about one exhibit: each check in turn, calibrated statistics turned into p-values, failures kept as findings.

Calibrated statistics were measured on tiles of 384 pixels, so a larger image is judged by a few tiles of it (drawn from
the file's hash), and its p is the smallest of theirs times their number (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from oddpixel.datasets.coefficients import Coefficients

from .calibration import Calibration, table
from .checks import Check
from .exhibit import Exhibit
from .finding import Finding, Status, not_applicable

TILE = 384
LARGEST = 512  # pixels of the longer side up to which an image is one tile
MOST_TILES = 4
# These say something about the whole image, or choose tiles themselves.
WHOLE = ("double-jpeg", "resampling", "density")
LEVEL = 0.01  # p from which a calibrated check by itself calls it evidence; the verdict has a level of its own


def examine(
    exhibit: Exhibit, chosen: Sequence[Check], on_check: Callable[[str], None] = lambda name: None
) -> list[Finding]:
    """In the checks' order."""
    found: list[Finding] = []
    for check in chosen:
        on_check(check.name)
        if exhibit.gate.too_small:
            found.append(not_applicable(check.name, exhibit.gate.too_small))
            continue
        try:
            found += list(_examined(exhibit, check, table()))
        except Exception as error:  # one check that fails is a finding, never the end of the audit
            found.append(Finding(check.name, "error", because=f"{type(error).__name__}: {error}"[:300]))
    return [_audited(each, exhibit.gate.stratum) for each in found]


def _examined(exhibit: Exhibit, check: Check, known: Calibration) -> Iterator[Finding]:
    if check.kind == "a-contrario":
        yield from (_bounded(each, exhibit, known) for each in check.examine(exhibit))
        return
    small = max(exhibit.size) <= LARGEST
    whole = list(check.examine(exhibit)) if small or check.name in WHOLE else []
    yield from (each for each in whole if each.about == "history" and each.status != "not-applicable")
    if small or check.name == "density":
        parts = [[each] for each in whole if each.about != "history" or each.status == "not-applicable"]
        yield from (_judged(each, exhibit, known, [(0, 0)]) for each in parts)
        return
    places = tiles(exhibit)
    by_tile = [[each for each in check.examine(crop(exhibit, place)) if each.about != "history"] for place in places]
    for column in zip(*by_tile, strict=False):
        yield _judged(list(column), exhibit, known, places)


def _bounded(finding: Finding, exhibit: Exhibit, known: Calibration) -> Finding:
    """Where authentic images were seen to exceed the bound that the NFA states, p is not below the rank among them."""
    if finding.log10_nfa is None or finding.about == "history" or finding.statistic is None:
        return finding
    if not known.audit(finding.check, exhibit.gate.stratum).get("by_rank"):
        return finding
    p, n = known.p_value(finding.check, exhibit.gate.stratum, finding.statistic) or (1.0, 0)
    p = max(p, float(finding.probability or 0.0))
    return replace(
        finding, p_value=p, log10_nfa=None, status="evidence" if p <= LEVEL else "no-evidence",
        map=finding.map if p <= LEVEL else None,
        reliability=f"log10 NFA {finding.log10_nfa:.1f}, which authentic images were seen to exceed: p by rank among {n} of them",
    )  # fmt: skip


def _judged(found: list[Finding], exhibit: Exhibit, known: Calibration, places: list[tuple[int, int]]) -> Finding:
    """The strongest of several tiles' findings, as one about the image."""
    usable = [(each, place) for each, place in zip(found, places, strict=False) if each.statistic is not None]
    if not usable:
        return found[0]
    best, (top, left) = max(usable, key=lambda pair: pair[0].statistic or 0.0)
    p, n = known.p_value(best.check, exhibit.gate.stratum, float(best.statistic or 0.0)) or (None, 0)
    picture = None
    if best.map is not None:
        picture = np.zeros(exhibit.size, np.float32)
        picture[top : top + best.map.shape[0], left : left + best.map.shape[1]] = best.map
    details = dict(best.details)
    if "regions" in details:
        details["regions"] = [[a + top, b + left, c + top, d + left] for a, b, c, d in details["regions"]]
    if len(places) > 1:
        details["tiles"] = [list(place) for place in places]
    if p is None:
        because = f"{best.because}; no authentic images of this kind were measured ({exhibit.gate.stratum})"
        return replace(best, status="not-applicable", map=None, log10_nfa=None, because=because, details=details)
    p = min(1.0, p * max(len(usable), len(details.get("tiles", ()))))
    status: Status = "evidence" if p <= LEVEL else "no-evidence"
    return replace(
        best, status=status, p_value=p, log10_nfa=None, map=picture if status == "evidence" else None,
        reliability=f"p by rank among {n} authentic sources of this kind", details=details,
    )  # fmt: skip


def _audited(finding: Finding, stratum: str) -> Finding:
    """With what was measured of its error rate on images like this one."""
    if finding.status in ("not-applicable", "error") or finding.about == "history":
        return finding
    said = table().audit(finding.check, stratum)
    fused = (
        "counts in the verdict" if said["fused"] else f"shown only, it does not count in the verdict: {said['because']}"
    )
    rate = ""
    if "false_alarms" in said:
        rate = f"measured: {said['false_alarms']} of {said['n']} authentic images of this kind at its level; "
    return replace(finding, reliability="; ".join(filter(None, [finding.reliability, rate + fused])))


def tiles(exhibit: Exhibit) -> list[tuple[int, int]]:
    """Corners of at most four tiles, on the 8 x 8 grid of the file."""
    corners: list[list[int]] = []
    for length in exhibit.size:
        last = max(0, (length - TILE) // 8 * 8)
        corners.append(sorted({min(step, last) for step in range(0, last + TILE, TILE)}))
    every = [(top, left) for top in corners[0] for left in corners[1]]
    if len(every) <= MOST_TILES:
        return every
    order = np.random.default_rng(exhibit.seed).permutation(len(every))[:MOST_TILES]
    return [every[k] for k in sorted(order)]


def crop(exhibit: Exhibit, place: tuple[int, int]) -> Exhibit:
    """A tile as an exhibit of its own, judged as a part of the same file."""
    top, left = place
    pixels = np.ascontiguousarray(exhibit.pixels[top : top + TILE, left : left + TILE])
    found = exhibit.coefficients
    if found is not None:
        rows, columns = -(-pixels.shape[0] // 8), -(-pixels.shape[1] // 8)
        blocks = found.blocks[top // 8 : top // 8 + rows, left // 8 : left // 8 + columns]
        found = Coefficients(np.ascontiguousarray(blocks), found.table)
    part = Exhibit(exhibit.name, exhibit.content, pixels, exhibit.bits, found)
    part.__dict__["gate"] = exhibit.gate  # of the whole file: it decides what applies
    return part
