"""Whole photographs, authentic and manipulated, as they are audited: what images larger than one tile are compared with.

Reduced only so far that no earlier JPEG grid is left, and by a factor drawn from the photograph's name; half of them pass
through a simulated camera, as tiles do. Photographs that their publisher saved as JPEG are measured as they came, too.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image as Pillow

from oddpixel.datasets.corpora import cached
from oddpixel.forensics.audit.checks import checks
from oddpixel.forensics.audit.exhibit import LUMA, exhibit_of
from oddpixel.forensics.audit.grid_votes import vote
from oddpixel.forensics.audit.judge import asked_of
from oddpixel.forensics.audit.local_edits.camera import photographed
from oddpixel.forensics.audit.measurement import About

from .cases import CALIBRATED_OF_JPEGS, CORPORA, FORMS, TILE, Case, Pixels, Source, authentic, in_all_forms, resized
from .measure import baselines, localisation

REDUCED = (0.55, 0.8)
LARGEST = 2.5e6  # pixels after reduction: what larger ones add are seconds, not sources
SMALLEST = 600  # pixels of the longer side: more than one tile
SOURCES = (*CORPORA, "web-photographs", "nuthatch")
HISTORIES = (
    "never-jpeg", "resized", "jpeg-95", "jpeg-75-95", "jpeg-75", "two-jpegs-75", "three-jpegs-80", "jpeg-75-png",
)  # fmt: skip
AS_PUBLISHED = "as-published"
KINDS = (
    "splice-shifted", "splice", "splice-resized", "seamless", "copy-move", "copy-turned", "inpainted", "into-jpeg",
    "out-of-jpeg", "other-mosaic",
)  # fmt: skip


def photographs(roles: tuple[str, ...]) -> list[Source]:
    """The photographs of these roles at full size, without those that still show a JPEG grid."""
    return [source for corpus in SOURCES for source in _of_corpus(corpus, roles)]


def _of_corpus(corpus: str, roles: tuple[str, ...]) -> Iterator[Source]:
    for file in cached(corpus).files():
        picture = _reduced(file.path) if file.role in roles else None
        if picture is None or vote(picture.astype(np.float32) @ LUMA).grid is not None:
            continue
        source = Source(f"{corpus}/{file.path.name}", zlib.crc32(file.path.name.encode()) % 2 == 0, picture)
        if source.camera:
            picture = photographed(picture, source.random("camera", "full size"))
        yield Source(source.name, source.camera, picture)


def _reduced(path: object) -> Pixels | None:
    picture = np.asarray(Pillow.open(str(path)).convert("RGB"))
    random = np.random.default_rng(zlib.crc32(f"full size {str(path).rpartition('/')[2]}".encode()))
    factor = min(float(random.uniform(*REDUCED)), (LARGEST / (picture.shape[0] * picture.shape[1])) ** 0.5)
    reduced = resized(picture, factor)
    return reduced if max(reduced.shape) >= SMALLEST and min(reduced.shape[:2]) >= TILE else None


def published(roles: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """The names and bytes of photographs that came as JPEG files."""
    for corpus in SOURCES:
        for file in cached(corpus).files():
            if file.role in roles and file.path.suffix == ".jpg":
                yield f"{corpus}/{file.path.name}", file.path.read_bytes()


def of_photograph(job: tuple[Source, Source | None, bool]) -> list[dict[str, Any]]:
    """The measured histories of one photograph, its manipulations where a donor is given, and its file as published."""
    source, donor, with_tiles = job
    rows = [
        measure(case, with_tiles) | {"manipulated": False, "form": case.kind} for case in authentic(source, HISTORIES)
    ]
    if donor is not None:
        donor = Source(donor.name, donor.camera, fitted(donor.picture, source.picture.shape))
        made = in_all_forms(source, donor, KINDS, CALIBRATED_OF_JPEGS if with_tiles else FORMS)
        rows += [measure(case, False) | {"manipulated": True, "form": form} for case, form in made]
    return rows


def of_published(job: tuple[str, bytes, bool]) -> list[dict[str, Any]]:
    """The measurements of one file as its publisher saved it."""
    name, content, with_tiles = job
    source = Source(name, True, np.zeros((1, 1, 3), np.uint8))
    return [measure(Case(AS_PUBLISHED, source, content), with_tiles) | {"manipulated": False, "form": AS_PUBLISHED}]


def fitted(picture: Pixels, shape: tuple[int, ...]) -> Pixels:
    """The picture cut, or continued by its mirror image, to a shape."""
    missing = [max(0, wanted - length) for wanted, length in zip(shape[:2], picture.shape[:2], strict=True)]
    grown = np.pad(picture, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")
    return np.ascontiguousarray(grown[: shape[0], : shape[1]])


def measure(case: Case, with_tiles: bool) -> dict[str, Any]:
    """The answers of all checks about a whole image, as the audit puts its questions.

    Arguments:
        with_tiles: whether the statistics of all tiles are kept, from which their survival is estimated.
    """
    exhibit = exhibit_of(case.content, case.kind)
    began = time.process_time()
    findings: dict[str, Any] = {}
    for check in checks().values():
        for asked in asked_of(check, exhibit):
            if asked.question is None or not asked.measured:
                continue
            strongest, (top, left) = max(asked.measured, key=lambda pair: pair[0].statistic)
            about: About = asked.question.about
            row: dict[str, Any] = {
                "statistic": strongest.statistic, "log10_nfa": strongest.log10_nfa, "about": about,
                "num_tiles": len(asked.measured),
            }  # fmt: skip
            if "first_quality" in strongest.details:
                row["first_quality"] = strongest.details["first_quality"]
            if with_tiles and about != "history":
                row["tiles"] = sorted(float(f"{answer.statistic:.5g}") for answer, _ in asked.measured)
            if case.mask is not None and strongest.map is not None:
                marked = np.zeros(exhibit.size, bool)
                height, width = strongest.map.shape
                marked[top : top + height, left : left + width] = strongest.map > 0.5
                row |= localisation(marked, case.mask)
            findings[asked.question.name] = row
    findings |= {name: _baseline(answer.statistic) for name, answer in baselines(exhibit).items()}
    return {
        "kind": case.kind, "source": case.source.name, "stratum": exhibit.gate.reference, "findings": findings,
        "seconds": {"all": time.process_time() - began}, "degraded": exhibit.gate.degraded,
        "megapixels": exhibit.size[0] * exhibit.size[1] / 1e6,
    }  # fmt: skip


def _baseline(statistic: float) -> dict[str, Any]:
    return {"statistic": statistic, "log10_nfa": None, "about": "manipulation"}
