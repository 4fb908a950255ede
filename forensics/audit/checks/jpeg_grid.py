"""JPEG grid, a contrario (ZERO: Nikoukhah, Anger, Ehret, Colom, Morel and Grompone von Gioi, CVPRW 2019; IPOL 11, 2021).

A JPEG block has many DCT coefficients that are zero, windows off the grid have fewer. Each pixel votes for the origin (of
64) of the 8 x 8 window around it with most zeros (|coefficient| < 1/2); ties and windows constant along rows or columns
do not vote. Without JPEG every origin is as likely, so votes for one of them are binomial with p = 1/64, where the 64
pixels of a block count once.

A grid of the whole image is its history: it was a JPEG. A part that votes for another grid than the rest came from
elsewhere, or was moved. There p = 1/64 is not enough: measured on authentic photographs of quality 60 and less, grids one
pixel and half a block beside the own one gather votes too (59 of 147 tiles passed NFA 1e-3), alike for a grid and its
mirror images about the own one, while a foreign part votes for one of them only. So p is the largest of 1/64, the grid's
rate in the rest of the image, and twice the rate of its mirror images in the same window. The two grids half a block off
along one direction are their own mirror images (50 of 147 at quality 50); beside a grid of the image's own they are not
judged.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

from ..exhibit import Exhibit
from ..grid_votes import BLOCK, GRIDS, STRIDE, VOTES, Votes, votes_of
from ..measurement import Answer, Measurement, NotApplicable, Question
from ..nfa import REPORTED, log10_binomial_tail
from ..windows import boxes, window_sums

SIDES = (8, 16, 32, 64, 128)  # of the windows that are looked at, in cells of 8 pixels; steps of half a side
LIMITS = (
    "One aligned saving as JPEG erases a foreign grid. A part half a block off along one direction is not seen. "
    "Patterns that repeat every 8 pixels, and pictures put together from several "
    "JPEGs without any wrong intent (collages, logos, screenshots), look like this too."
)


class JpegGrid:
    """The test for the 8 x 8 grid of a JPEG, and for a part with another grid."""

    name = "jpeg-grid"
    title = "JPEG grid"
    kind = "a-contrario"
    questions = (
        Question("jpeg-grid", about="history"),
        Question("jpeg-grid-local"),
    )
    purpose = "Whether the pixels were ever a JPEG, and whether a part carries another 8 x 8 grid than the rest."
    reference = "Nikoukhah et al., CVPRW 2019; IPOL 11 (2021) 390"
    needs = "64 x 64 pixels"
    cannot = LIMITS

    def applies(self, exhibit: Exhibit) -> str | None:
        """Always None: the votes can be counted in any image."""
        return None

    def measure(self, exhibit: Exhibit) -> Iterator[Answer]:
        """The NFA of a grid in the whole image, then that of a part with another one."""
        votes = votes_of(exhibit)
        yield _of_the_whole(votes)
        if exhibit.gate.stratum == "lossy-other":
            yield NotApplicable("jpeg-grid-local", f"{exhibit.container} has blocks of its own")
            return
        # A grid that the whole image leans to is its own, even where it does not reach evidence.
        leaning = int(np.argmin(votes.log10_nfa)) if votes.log10_nfa.min() < 0 else None
        yield _of_parts(votes, exhibit.size, leaning if exhibit.coefficients is None else 0)


CHECK = JpegGrid()


def _of_the_whole(votes: Votes) -> Measurement:
    grid = votes.grid
    log10_nfa = 0.0 if votes.is_interpolated else float(votes.log10_nfa.min())
    because = (
        "no 8 x 8 grid stands out over the whole image; one of 4 x 4 pixels does, as resizing leaves it"
        if votes.is_interpolated
        else "no 8 x 8 grid stands out over the whole image"
        if grid is None
        else "the pixels were a JPEG, on the grid of this file"
        if grid == (0, 0)
        else f"the pixels were a JPEG whose grid lies {grid[0]} rows and {grid[1]} columns off: it was cropped or moved since"
    )
    return Measurement(
        "jpeg-grid", statistic=-log10_nfa, log10_nfa=log10_nfa,
        because=because, details={"grid": None if grid is None else list(grid)},
        limits="A grid says that the image was a JPEG, which most are. None does not say that it never was.",
    )  # fmt: skip


def _mirrored(counts: np.ndarray, own: int | None) -> np.ndarray:
    """The most votes in each window for a mirror image of each grid about the own one. 0 where a grid mirrors itself."""
    if own is None:
        return np.zeros(counts.shape)
    answers = np.zeros(counts.shape)
    down, right = divmod(own, BLOCK)
    for grid in range(GRIDS):
        row, column = grid // BLOCK - down, grid % BLOCK - right
        images = {((down + s * row) % BLOCK, (right + t * column) % BLOCK) for s in (-1, 1) for t in (-1, 1)}
        others = [y * BLOCK + x for y, x in images if y * BLOCK + x != grid]
        if others:
            answers[grid] = counts[others].max(0)
    return answers


def _not_judged(own: int | None) -> list[int]:
    if own is None:
        return []
    down, right = divmod(own, BLOCK)
    half = BLOCK // 2
    return [own, (down + half) % BLOCK * BLOCK + right, down * BLOCK + (right + half) % BLOCK]


def _of_parts(votes: Votes, size: tuple[int, int], own: int | None) -> Measurement:
    """`own`: the grid of the file itself, or the one that the whole image leans to."""
    sums = [(window_sums(votes.cells, side), side) for side in SIDES if side <= min(votes.cells.shape[1:])]
    total = votes.cells.sum((1, 2)).astype(float)
    cells = votes.cells.shape[1] * votes.cells.shape[2]
    tests = sum(counts.shape[1] * counts.shape[2] for counts, _ in sums) * GRIDS
    best, marked = 0.0, np.zeros(size, bool)
    chosen: int | None = None
    for counts, side in sums:
        elsewhere = (total[:, None, None] - counts) / VOTES / max(cells - side * side, 1)
        mirrored = _mirrored(counts, own) / VOTES / (side * side)
        p = np.maximum.reduce([np.full(counts.shape, 1 / GRIDS), elsewhere, 2 * mirrored]).clip(max=0.999)
        nfa = np.log10(tests) + log10_binomial_tail(side * side, counts / VOTES, p)
        for grid in _not_judged(own):
            nfa[grid] = 0.0
        if nfa.min() < best:
            best, chosen = float(nfa.min()), int(np.unravel_index(np.argmin(nfa), nfa.shape)[0])
        for grid, row, column in zip(*np.nonzero(nfa <= REPORTED), strict=True):
            _mark(marked, votes, int(grid), int(row) * (side // 2), int(column) * (side // 2), side)
    shift = None if chosen is None else list(divmod(chosen, BLOCK))
    rest = "none" if own is None else f"one that begins at {_at(own)}"
    because = (
        "no part has a grid of its own"
        if chosen is None or best > REPORTED
        else f"a part has a JPEG grid that begins at {_at(chosen)}, the rest has {rest}"
    )
    return Measurement(
        "jpeg-grid-local", statistic=-best, log10_nfa=best, because=because, limits=LIMITS,
        map=marked.astype(np.float32) if marked.any() else None, details={"grid": shift, "regions": boxes(marked)},
    )  # fmt: skip


def _at(grid: int) -> str:
    return "row {}, column {}".format(*divmod(grid, BLOCK))


def _mark(marked: Bool[np.ndarray, "h w"], votes: Votes, grid: int, row: int, column: int, side: int) -> None:
    """Where a window's votes for its grid lie, gaps between them filled."""
    import cv2

    step = BLOCK // STRIDE
    window = np.s_[row * step : (row + side) * step, column * step : (column + side) * step]
    filled = cv2.morphologyEx(
        (votes.pixels[window] == grid).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)
    )
    filled = cv2.morphologyEx(filled, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    grown = filled.repeat(STRIDE, 0).repeat(STRIDE, 1).astype(bool)
    here = marked[row * BLOCK : row * BLOCK + grown.shape[0], column * BLOCK : column * BLOCK + grown.shape[1]]
    here |= grown[: here.shape[0], : here.shape[1]]
