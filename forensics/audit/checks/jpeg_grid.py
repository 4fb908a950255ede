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
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from ..exhibit import Exhibit
from ..finding import Finding, Status, not_applicable
from ..nfa import REPORTED, log10_binomial_tail
from ..windows import boxes, window_sums

BLOCK = 8
STRIDE = 2  # every second pixel of every second row votes: sixteen votes a block
VOTES = (BLOCK // STRIDE) ** 2
GRIDS = BLOCK * BLOCK
NONE = GRIDS  # the vote of a pixel that has none
SIDES = (8, 16, 32, 64, 128)  # of the windows that are looked at, in cells of 8 pixels; steps of half a side
LIMITS = (
    "One aligned saving as JPEG erases a foreign grid. A part half a block off along one direction is not seen. "
    "Patterns that repeat every 8 pixels, and pictures put together from several "
    "JPEGs without any wrong intent (collages, logos, screenshots), look like this too."
)
STRIP = 256  # rows at a time, so that work stays in the cache


@dataclass(frozen=True, eq=False)
class Votes:
    """Arguments:
    pixels: the grid each voting pixel votes for, row shift times 8 plus column shift; `NONE` for no vote.
    cells: votes for each grid in each cell of 8 x 8 pixels.
    """

    pixels: UInt8[np.ndarray, "p q"]
    cells: Int[np.ndarray, "64 rows columns"]

    @property
    def log10_nfa(self) -> np.ndarray:
        """Of each grid for the whole image, `[64]`."""
        counts = self.cells.sum((1, 2))
        blocks = self.cells.shape[1] * self.cells.shape[2]
        return np.log10(GRIDS) + log10_binomial_tail(blocks, counts / VOTES, 1 / GRIDS)

    @property
    def grid(self) -> tuple[int, int] | None:
        """The shift of the whole image's grid, or None where it shows none."""
        best = int(np.argmin(self.log10_nfa))
        return divmod(best, BLOCK) if self.log10_nfa[best] <= REPORTED else None


class JpegGrid:
    name = "jpeg-grid"
    title = "JPEG grid"
    kind = "a-contrario"
    purpose = "Whether the pixels were ever a JPEG, and whether a part carries another 8 x 8 grid than the rest."
    reference = "Nikoukhah et al., CVPRW 2019; IPOL 11 (2021) 390"
    needs = "64 x 64 pixels"
    cannot = LIMITS

    def examine(self, exhibit: Exhibit) -> Iterator[Finding]:
        votes = votes_of(exhibit)
        yield _of_the_whole(votes)
        if exhibit.gate.stratum == "lossy-other":
            yield not_applicable("jpeg-grid-local", f"{exhibit.container} has blocks of its own")
            return
        # A grid that the whole image leans to is its own, even where it does not reach evidence.
        leaning = int(np.argmin(votes.log10_nfa)) if votes.log10_nfa.min() < 0 else None
        yield _of_parts(votes, exhibit.size, leaning if exhibit.coefficients is None else 0)


CHECK = JpegGrid()


def votes_of(exhibit: Exhibit) -> Votes:
    return exhibit.once("jpeg grid votes", lambda each: vote(each.luma))


def vote(luma: Float32[np.ndarray, "h w"]) -> Votes:
    zeros = count_zeros(luma)
    height, width = luma.shape
    rows, columns = np.arange(0, height, STRIDE), np.arange(0, width, STRIDE)
    most = np.zeros((len(rows), len(columns)), np.uint8)
    choice = np.full(most.shape, NONE, np.uint8)
    for grid in range(GRIDS):
        down, right = divmod(grid, BLOCK)
        of_grid = zeros[down::BLOCK, right::BLOCK]
        here = _reached(rows, down, len(of_grid)), _reached(columns, right, of_grid.shape[1])
        counts = of_grid[(rows[here[0]] - down) // BLOCK][:, (columns[here[1]] - right) // BLOCK]
        best, chosen = most[here], choice[here]
        # A tie has no choice; a later grid with still more zeros has one again.
        np.putmask(chosen, counts == best, NONE)
        np.putmask(chosen, counts > best, grid)
        np.maximum(best, counts, out=best)
    return Votes(choice, _by_cell(choice, height // BLOCK, width // BLOCK))


def _reached(places: np.ndarray, shift: int, num_windows: int) -> slice:
    """Which of the voting places lie in one of the windows of a grid."""
    begin, end = np.searchsorted(places, (shift, shift + num_windows * BLOCK))
    return slice(int(begin), int(end))


def count_zeros(luma: Float32[np.ndarray, "h w"]) -> UInt8[np.ndarray, "p q"]:
    """How many of the 64 coefficients of the window beginning at each pixel are zero; 0 for windows constant in a "
    "direction."""
    import cv2

    basis = _dct_basis()
    height, width = luma.shape[0] - BLOCK + 1, luma.shape[1] - BLOCK + 1
    zeros = np.zeros((height, width), np.uint8)
    for top in range(0, height, STRIP):
        strip = np.ascontiguousarray(luma[top : top + STRIP + BLOCK - 1])
        inside = zeros[top : top + STRIP]
        for across in basis:
            for down in basis:
                coefficients = cv2.sepFilter2D(strip, cv2.CV_32F, across, down, anchor=(0, 0))
                small = cv2.inRange(coefficients[: len(inside), :width], -0.5, 0.5)
                np.subtract(inside, small, out=inside)  # 255 is -1
        inside[_constant(strip)[: len(inside), :width]] = 0
    return zeros


def _dct_basis() -> Float32[np.ndarray, "8 8"]:
    """Orthonormal DCT-II, one frequency a row."""
    frequency, place = np.mgrid[:BLOCK, :BLOCK]
    basis = np.cos(np.pi * (2 * place + 1) * frequency / (2 * BLOCK)) * np.sqrt(2 / BLOCK)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


def _constant(luma: np.ndarray) -> Bool[np.ndarray, "p q"]:
    """Whether the window beginning at each pixel is constant along its rows or along its columns."""
    import cv2

    answers = []
    for axis in (0, 1):
        changes = np.zeros(luma.shape, np.uint8)
        changes[*[np.s_[:-1] if k == axis else np.s_[:] for k in (0, 1)]] = np.diff(luma, axis=axis) != 0
        window = np.ones((BLOCK - 1, BLOCK) if axis == 0 else (BLOCK, BLOCK - 1), np.uint8)
        answers.append(cv2.dilate(changes, window, anchor=(0, 0))[: 1 - BLOCK, : 1 - BLOCK] == 0)
    return answers[0] | answers[1]


def _by_cell(choice: np.ndarray, rows: int, columns: int) -> Int[np.ndarray, "64 rows columns"]:
    side = BLOCK // STRIDE
    inside = choice[: rows * side, : columns * side].reshape(rows, side, columns, side)
    cell = np.arange(rows)[:, None, None, None] * columns + np.arange(columns)[:, None]
    numbers = (cell * (GRIDS + 1) + inside).ravel()
    counts = np.bincount(numbers, minlength=rows * columns * (GRIDS + 1)).reshape(rows, columns, GRIDS + 1)
    return counts[..., :GRIDS].transpose(2, 0, 1)


def _of_the_whole(votes: Votes) -> Finding:
    log10_nfa = float(votes.log10_nfa.min())
    grid = votes.grid
    because = (
        "no 8 x 8 grid stands out over the whole image"
        if grid is None
        else "the pixels were a JPEG, on the grid of this file"
        if grid == (0, 0)
        else f"the pixels were a JPEG whose grid lies {grid[0]} rows and {grid[1]} columns off: it was cropped or moved since"
    )
    return Finding(
        "jpeg-grid", "no-evidence" if grid is None else "evidence", statistic=-log10_nfa, log10_nfa=log10_nfa,
        because=because, about="history", details={"grid": None if grid is None else list(grid)},
        limits="A grid says that the image was a JPEG, which most are. None does not say that it never was.",
    )  # fmt: skip


def _mirrored(counts: np.ndarray, own: int | None) -> np.ndarray:
    """The most votes in each window for a mirror image of each grid about the own one; 0 where a grid mirrors "
    "itself."""
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


def _of_parts(votes: Votes, size: tuple[int, int], own: int | None) -> Finding:
    """`own`: the grid of the file itself, or the one that the whole image leans to."""
    found = [(window_sums(votes.cells, side), side) for side in SIDES if side <= min(votes.cells.shape[1:])]
    total = votes.cells.sum((1, 2)).astype(float)
    cells = votes.cells.shape[1] * votes.cells.shape[2]
    tests = sum(counts.shape[1] * counts.shape[2] for counts, _ in found) * GRIDS
    best, marked = 0.0, np.zeros(size, bool)
    regions: list[list[int]] = []
    chosen: int | None = None
    for counts, side in found:
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
    status: Status = "evidence" if best <= REPORTED else "no-evidence"
    if status == "evidence":
        regions = boxes(marked)
    shift = None if chosen is None else list(divmod(chosen, BLOCK))
    because = (
        f"a part votes for a grid shifted by {shift}, the rest for {'none' if own is None else list(divmod(own, BLOCK))}"
        if status == "evidence"
        else "no part votes for a grid of its own"
    )
    return Finding(
        "jpeg-grid-local", status, statistic=-best, log10_nfa=best, because=because, limits=LIMITS,
        map=marked.astype(np.float32) if status == "evidence" else None, details={"grid": shift, "regions": regions},
    )  # fmt: skip


def _mark(marked: Bool[np.ndarray, "h w"], votes: Votes, grid: int, row: int, column: int, side: int) -> None:
    """Where a window's votes for its grid lie, gaps between them filled."""
    import cv2

    each = BLOCK // STRIDE
    window = np.s_[row * each : (row + side) * each, column * each : (column + side) * each]
    filled = cv2.morphologyEx(
        (votes.pixels[window] == grid).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8)
    )
    filled = cv2.morphologyEx(filled, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    grown = filled.repeat(STRIDE, 0).repeat(STRIDE, 1).astype(bool)
    here = marked[row * BLOCK : row * BLOCK + grown.shape[0], column * BLOCK : column * BLOCK + grown.shape[1]]
    here |= grown[: here.shape[0], : here.shape[1]]
