"""What is said of each face: whether a test whose error rate is known marks it, and which one.

No test of its own stands behind it. Swaps and self-blends are told from authentic faces too seldom for one
(`oddpixel bench faces`), so a face is judged by the tests of the whole picture, where they point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..calibration import table
from ..exhibit import Exhibit
from ..finding import Finding
from ..labels import Label
from ..verdict import counts
from .detector import faces_of

SMALLEST = 32  # pixels wide: of a smaller face no test says anything
MARKED = 0.5  # of a map
COVERED = 0.2  # of a face, from which on a finding is about it


@dataclass(frozen=True)
class JudgedFace:
    """One face of a picture.

    Arguments:
        box: top, left, bottom, right in pixels.
        label: evidence of manipulation, no evidence found, or inconclusive.
        checks: the tests whose maps cover it.
    """

    box: tuple[int, int, int, int]
    label: Label
    because: str
    checks: tuple[str, ...] = ()


def judged_faces(exhibit: Exhibit, findings: Sequence[Finding], label: Label) -> list[JudgedFace]:
    """Every face that is wide enough, judged by findings as the verdict takes them, and by the picture's label."""
    picture = exhibit.picture
    colours = picture[..., :3] if picture.ndim == 3 else np.repeat(picture[..., None], 3, 2)
    evidence = [
        (finding.check, finding.map)
        for finding in findings
        if finding.status == "evidence" and finding.map is not None and counts(finding, exhibit.gate, table())
    ]
    is_silent = label == Label.INCONCLUSIVE
    answers = []
    for face in faces_of(np.ascontiguousarray(colours)):
        if face.width < SMALLEST:
            continue
        ellipse = face.mask(exhibit.size)
        marking = tuple(check for check, shade in evidence if (shade[ellipse] > MARKED).mean() >= COVERED)
        if marking:
            answers.append(JudgedFace(face.box, Label.MANIPULATION, f"marked by {', '.join(marking)}", marking))
        elif is_silent:
            answers.append(JudgedFace(face.box, Label.INCONCLUSIVE, "so is the picture"))
        else:
            answers.append(JudgedFace(face.box, Label.NOTHING_FOUND, "no test that counts marks it"))
    return answers
