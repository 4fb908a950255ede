"""Demosaicing, a contrario (Bammey, Grompone von Gioi and Morel, MIPR 2018 and EUSIPCO 2019; intermediate values: IPOL
11, 2021).

A camera measures one colour a pixel and interpolates the others: interpolated values lie between their neighbours,
measured ones stick out. In every 4 x 4 pixels the two diagonals vote for which of them holds the measured greens (p =
1/2), and the two remaining places for which holds the measured reds (p = 1/2): four patterns in all. A whole image with
one pattern is as a camera left it; a part with another pattern was moved by an odd number of pixels, and came from
elsewhere or from another place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int8

from ..exhibit import Exhibit
from ..measurement import Answer, Measurement, NotApplicable, Question
from ..nfa import REPORTED, log10_binomial_tail
from ..windows import boxes, enlarged, window_sums

UNIT = 4  # pixels a side that vote as one: neighbouring residuals hang together
SIDES = (16, 32, 64)  # of windows, in units
LOWEST_QUALITY = 93
LIMITS = (
    "Only pictures at their camera's own size, hardly compressed, keep these traces; resizing removes them. A part "
    "moved by an even "
    "number of rows and columns has the same pattern as the rest."
)


@dataclass(frozen=True, eq=False)
class Votes:
    """The votes by unit of 4 x 4 pixels: +1, -1, or 0 for no difference.

    Arguments:
        greens: which diagonal holds the measured greens.
        reds: which of the two other places holds the measured reds, given the greens of the whole image.
    """

    greens: Int8[np.ndarray, "p q"]
    reds: Int8[np.ndarray, "p q"]


class Demosaicing:
    """The test for a camera's colour mosaic, and for a part with another phase of it."""

    name = "demosaicing"
    title = "Demosaicing pattern"
    kind = "a-contrario"
    questions = (
        Question("demosaicing", about="history"),
        Question("demosaicing-local"),
    )
    purpose = "Whether the pixels still show the camera's colour mosaic, and whether a part shows another phase of it."
    reference = "Bammey et al., MIPR 2018, EUSIPCO 2019; Choi et al. 2011; IPOL 11 (2021) 355"
    needs = f"colour, 128 x 128 pixels, the camera's own size, lossless or JPEG of quality {LOWEST_QUALITY} and more"
    cannot = LIMITS

    def applies(self, exhibit: Exhibit) -> str | None:
        """Why the image cannot be tested: no colour, too small, or compressed too far."""
        quality = exhibit.gate.quality
        if exhibit.pixels.shape[2] != 3 or min(exhibit.size) < 128:
            return "needs colour and 128 x 128 pixels"
        if quality is not None and quality < LOWEST_QUALITY:
            return f"JPEG quality {quality} leaves no trace of a mosaic"
        if quality is None and exhibit.gate.stratum != "lossless":
            return f"compression has removed the traces ({exhibit.gate.stratum})"
        return None

    def measure(self, exhibit: Exhibit) -> Iterator[Answer]:
        """The NFA of a mosaic in the whole image; where there is one, the NFA of a part that deviates from it."""
        votes = vote(exhibit.pixels)
        whole = [_two_sided(votes.greens), _two_sided(votes.reds)]
        has_mosaic = whole[0] <= REPORTED
        yield Measurement(
            self.name, statistic=-whole[0], log10_nfa=whole[0],
            because="the whole image shows one colour mosaic: as a camera left it" if has_mosaic else "no colour mosaic is left",
            limits="Any demosaicing leaves this, that of a program too. None does not say that no camera was there.",
        )  # fmt: skip
        if has_mosaic:
            yield _of_parts(votes, whole[1] <= REPORTED, exhibit.size)
        else:
            yield NotApplicable("demosaicing-local", "the image as a whole shows no colour mosaic to compare with")


CHECK = Demosaicing()


def vote(pixels: Float32[np.ndarray, "h w 3"]) -> Votes:
    """The vote of each 4 x 4 pixels for the diagonal of measured greens, and for the place of measured reds."""
    import cv2

    height, width = (side // UNIT * UNIT for side in pixels.shape[:2])
    cross = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32) / 4
    residual = np.abs(cv2.filter2D(np.ascontiguousarray(pixels), cv2.CV_32F, cross))[:height, :width]
    # Sums over the units of the four phases of 2 x 2.
    phases = residual.reshape(height // UNIT, UNIT // 2, 2, width // UNIT, UNIT // 2, 2, 3).sum((1, 4))
    green = phases[..., 1]
    greens = np.sign(green[:, 0, :, 0] + green[:, 1, :, 1] - green[:, 0, :, 1] - green[:, 1, :, 0]).astype(np.int8)
    # Measured greens stick out. Where they lie on the main diagonal, reds and blues lie on the other.
    on_main = greens.sum(dtype=np.int64) > 0
    a, b = ((0, 1), (1, 0)) if on_main else ((0, 0), (1, 1))
    red, blue = phases[..., 0], phases[..., 2]
    difference = red[:, a[0], :, a[1]] + blue[:, b[0], :, b[1]] - red[:, b[0], :, b[1]] - blue[:, a[0], :, a[1]]
    return Votes(greens, np.sign(difference).astype(np.int8))


def _two_sided(votes: np.ndarray) -> float:
    """log10 NFA of as many votes for one of two."""
    n, ahead = int((votes != 0).sum()), abs(int(votes.sum(dtype=np.int64)))
    return float(np.log10(2) + log10_binomial_tail(n, (n + ahead) / 2, 0.5))


def _of_parts(votes: Votes, reds_known: bool, size: tuple[int, int]) -> Measurement:
    best, marked = 0.0, np.zeros(votes.greens.shape, bool)
    kinds = [votes.greens, *([votes.reds] if reds_known else [])]
    scans = []
    for kind in kinds:
        against = -int(np.sign(kind.sum(dtype=np.int64)))
        for side in SIDES:
            if side <= min(kind.shape):
                scans.append(
                    (
                        side,
                        window_sums((kind != 0).astype(np.int32), side),
                        window_sums((kind == against).astype(np.int32), side),
                    )
                )
    tests = sum(n.size for _, n, _ in scans)
    for side, n, k in scans:
        nfa = np.log10(max(tests, 1)) + log10_binomial_tail(n, k, 0.5)
        best = min(best, float(nfa.min()))
        for row, column in zip(*np.nonzero(nfa <= REPORTED), strict=True):
            marked[row * side // 2 : row * side // 2 + side, column * side // 2 : column * side // 2 + side] = True
    picture = enlarged(marked, UNIT, size)
    return Measurement(
        "demosaicing-local", statistic=-best, log10_nfa=best, limits=LIMITS,
        because="a part shows another phase of the colour mosaic" if best <= REPORTED else "one mosaic throughout",
        map=picture if marked.any() else None, details={"regions": boxes(picture > 0)},
    )  # fmt: skip
