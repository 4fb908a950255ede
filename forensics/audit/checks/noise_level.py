"""Noise level, a contrario (Noisesniffer: Gardella, Musé, Morel and Colom, IWBF 2021; IPOL 14, 2024).

Where a picture has no detail only its noise is left. Blocks of 8 x 8 are binned by brightness, for noise depends on it;
in each bin the blocks with the least low-frequency energy are the homogeneous ones (L), and of these the ones with the
least high-frequency energy are the quiet ones (V, a share m of L). In an image processed as a whole V lies anywhere in L:
the number of V in a region is binomial with p = m. A region with far too many came from a picture with less noise, or was
smoothed, or everything else was made noisier.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float32, Int

from ..exhibit import Exhibit
from ..measurement import Answer, Measurement, Question
from ..nfa import REPORTED, log10_binomial_tail
from ..windows import boxes, enlarged, window_sums

BLOCK = 8
BIN = 1500  # blocks of like brightness
HOMOGENEOUS, QUIET = 0.10, 0.30
LOW = 3  # frequencies whose sum is at most this are low
CELL = 32  # pixels
SIDES = (2, 4, 8, 16, 32)  # of the windows, in cells
FEWEST = 8  # homogeneous blocks in a window that is judged at all
LIMITS = (
    "Depth of field, denoising by the camera (which smooths skies and skin), vignetting and text make parts quieter"
    " without any "
    "manipulation. Compression removes noise: after JPEG below quality 90 the background model does not hold."
)


class NoiseLevel:
    """The test for a part with less noise than its brightness and the rest of the image suggest."""

    name = "noise-level"
    title = "Noise level"
    kind = "calibrated"
    questions = (Question("noise-level", scope="tiles"),)
    purpose = "Whether a part is quieter than its brightness and the rest of the image let expect."
    reference = "Gardella et al., IWBF 2021; IPOL 14 (2024) 462"
    needs = "256 x 256 pixels, noise that was not compressed away"
    cannot = LIMITS

    def applies(self, exhibit: Exhibit) -> str | None:
        """Why the image cannot be tested: too small, or its noise was changed by compression."""
        if min(exhibit.size) < 256:
            return "smaller than 256 x 256 pixels"
        if exhibit.gate.stratum not in ("lossless", "jpeg-high"):
            return f"compression has changed the noise ({exhibit.gate.stratum})"
        return None

    def measure(self, exhibit: Exhibit) -> Iterator[Answer]:
        """The lowest NFA of a region with too many quiet blocks, with a map of all such regions."""
        homogeneous, quiet = _blocks(exhibit.luma)
        yield _judge(homogeneous, quiet, exhibit.size)


CHECK = NoiseLevel()


def _blocks(luma: Float32[np.ndarray, "h w"]) -> tuple[Bool[np.ndarray, "p q"], Bool[np.ndarray, "p q"]]:
    """Which blocks are homogeneous, and which of them quiet."""
    from scipy.fft import dctn

    rows, columns = luma.shape[0] // BLOCK, luma.shape[1] // BLOCK
    cut = luma[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK).transpose(0, 2, 1, 3)
    coefficients = dctn(cut, axes=(2, 3), norm="ortho")
    order = np.add.outer(np.arange(BLOCK), np.arange(BLOCK))
    low = np.square(coefficients[..., (order > 0) & (order <= LOW)]).mean(-1).ravel()
    high = np.square(coefficients[..., order > BLOCK]).mean(-1).ravel()
    mean = coefficients[..., 0, 0].ravel() / BLOCK
    # Clipped pixels have no noise; neither have flat ones drawn by a program.
    usable = np.flatnonzero((cut.min((2, 3)) > 1).ravel() & (cut.max((2, 3)) < 254).ravel() & (high > 0))
    homogeneous, quiet = np.zeros(rows * columns, bool), np.zeros(rows * columns, bool)
    order_by_mean = usable[np.argsort(mean[usable], kind="stable")]
    for part in np.array_split(order_by_mean, max(1, len(order_by_mean) // BIN)):
        even = part[np.argsort(low[part], kind="stable")[: int(len(part) * HOMOGENEOUS)]]
        homogeneous[even] = True
        quiet[even[np.argsort(high[even], kind="stable")[: int(len(even) * QUIET)]]] = True
    return homogeneous.reshape(rows, columns), quiet.reshape(rows, columns)


def _judge(homogeneous: np.ndarray, quiet: np.ndarray, size: tuple[int, int]) -> Measurement:
    per_side = CELL // BLOCK
    even, still = _per_cell(homogeneous, per_side), _per_cell(quiet, per_side)
    share = float(quiet.sum() / max(homogeneous.sum(), 1))
    best, marked, tests = 0.0, np.zeros(even.shape, bool), 0
    scans = [(side, window_sums(even, side), window_sums(still, side)) for side in SIDES if side <= min(even.shape)]
    tests = sum(int((n >= FEWEST).sum()) for _, n, _ in scans)
    for side, n, k in scans:
        nfa = np.where(n >= FEWEST, np.log10(max(tests, 1)) + log10_binomial_tail(n, k, max(share, 1e-6)), 0.0)
        best = min(best, float(nfa.min()))
        for row, column in zip(*np.nonzero(nfa <= REPORTED), strict=True):
            step = max(1, side // 2)
            marked[row * step : row * step + side, column * step : column * step + side] = True
    picture = enlarged(marked, CELL, size)
    return Measurement(
        "noise-level", statistic=-best, log10_nfa=best, limits=LIMITS,
        because="a part is quieter than the rest at the same brightness" if best <= REPORTED else "noise is even",
        map=picture if marked.any() else None,
        details={"homogeneous_blocks": int(homogeneous.sum()), "regions": boxes(picture > 0)},
    )  # fmt: skip


def _per_cell(blocks: np.ndarray, side: int) -> Int[np.ndarray, "p q"]:
    rows, columns = blocks.shape[0] // side, blocks.shape[1] // side
    result: Int[np.ndarray, "p q"] = (
        blocks[: rows * side, : columns * side].reshape(rows, side, columns, side).sum((1, 3))
    )
    return result
