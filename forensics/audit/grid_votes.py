"""Votes for the 8 x 8 grid of a JPEG (ZERO: Nikoukhah et al., IPOL 11, 2021): what the gate and two checks rest on.

Each pixel votes for the origin (of 64) of the 8 x 8 window around it with most DCT coefficients that are zero
(|coefficient| < 1/2); ties and windows constant along rows or columns do not vote.

Interpolation leaves zeros, too, where its weights come back: enlarged by 4/3 or 2, they do every 4 or 2 pixels, so that grids
half a block off get as many votes. JPEG's get hardly any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from .nfa import REPORTED, log10_binomial_tail

if TYPE_CHECKING:
    from .exhibit import Exhibit

BLOCK = 8
STRIDE = 2  # every second pixel of every second row votes: sixteen votes a block
VOTES = (BLOCK // STRIDE) ** 2
GRIDS = BLOCK * BLOCK
NONE = GRIDS  # the vote of a pixel that has none
# Of a grid's votes: if one half a block off has more, they are no JPEG's (of quality 60 to 98: 0.21 at most; by 4/3 and 2: 0.79
# at least).
HALF = 0.5
STRIP = 256  # rows at a time, so that work stays in the cache


@dataclass(frozen=True, eq=False)
class Votes:
    """The votes of an image's pixels for the 64 possible JPEG grids.

    Arguments:
        pixels: the grid each voting pixel votes for, row shift times 8 plus column shift; `NONE` for no vote.
        cells: votes for each grid in each cell of 8 x 8 pixels.
    """

    pixels: UInt8[np.ndarray, "p q"]
    cells: Int[np.ndarray, "64 rows columns"]

    @property
    def log10_nfa(self) -> np.ndarray:
        """The log10 NFA of each grid for the whole image, `[64]`."""
        counts = self.cells.sum((1, 2))
        blocks = self.cells.shape[1] * self.cells.shape[2]
        result: np.ndarray = np.log10(GRIDS) + log10_binomial_tail(blocks, counts / VOTES, 1 / GRIDS)
        return result

    @property
    def grid(self) -> tuple[int, int] | None:
        """The shift of the whole image's JPEG grid, or None where it shows none."""
        return None if self.leading is None or self.is_interpolated else self.leading

    @property
    def leading(self) -> tuple[int, int] | None:
        """The grid that stands out over the whole image, whatever left it."""
        best = int(np.argmin(self.log10_nfa))
        return divmod(best, BLOCK) if self.log10_nfa[best] <= REPORTED else None

    @property
    def is_interpolated(self) -> bool:
        """Whether a grid stands out, and one half a block off has nearly as many votes: no JPEG leaves that."""
        if self.leading is None:
            return False
        counts, (down, right) = self.cells.sum((1, 2)).reshape(BLOCK, BLOCK), self.leading
        half = BLOCK // 2
        others = [counts[(down + a) % BLOCK, (right + b) % BLOCK] for a, b in ((half, 0), (0, half), (half, half))]
        return bool(max(others) > HALF * counts[down, right])


def votes_of(exhibit: Exhibit) -> Votes:
    """The votes of an exhibit, counted once for the gate and all checks."""
    return exhibit.once("jpeg grid votes", lambda image: vote(image.luma))


def vote(luma: Float32[np.ndarray, "h w"]) -> Votes:
    """Count the votes of a brightness picture in grey levels."""
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
    """The number of zero coefficients, of 64, in the window at each pixel; 0 for windows constant in a direction."""
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
    result: Float32[np.ndarray, "8 8"] = basis.astype(np.float32)
    return result


def _constant(luma: np.ndarray) -> Bool[np.ndarray, "p q"]:
    """Whether the window beginning at each pixel is constant along its rows or along its columns."""
    import cv2

    answers = []
    for axis in (0, 1):
        changes = np.zeros(luma.shape, np.uint8)
        changes[*[np.s_[:-1] if k == axis else np.s_[:] for k in (0, 1)]] = np.diff(luma, axis=axis) != 0
        window = np.ones((BLOCK - 1, BLOCK) if axis == 0 else (BLOCK, BLOCK - 1), np.uint8)
        answers.append(cv2.dilate(changes, window, anchor=(0, 0))[: 1 - BLOCK, : 1 - BLOCK] == 0)
    result: Bool[np.ndarray, "p q"] = answers[0] | answers[1]
    return result


def _by_cell(choice: np.ndarray, rows: int, columns: int) -> Int[np.ndarray, "64 rows columns"]:
    side = BLOCK // STRIDE
    inside = choice[: rows * side, : columns * side].reshape(rows, side, columns, side)
    cell = np.arange(rows)[:, None, None, None] * columns + np.arange(columns)[:, None]
    numbers = (cell * (GRIDS + 1) + inside).ravel()
    counts = np.bincount(numbers, minlength=rows * columns * (GRIDS + 1)).reshape(rows, columns, GRIDS + 1)
    return counts[..., :GRIDS].transpose(2, 0, 1)
