"""Aligned double JPEG (Lin, He, Tang and Tang, Pattern Recognition 2009; Bianchi and Piva, TIFS 2012).

Coefficients that were quantised by q1 and then by q2 have histograms with gaps and peaks. The histogram without the first
step is that of the same image decoded and cropped by half a block, quantised by q2 (Fridrich); with it, the same
quantised by q1 first. The first quality is the one under which the file's coefficients are most likely. Then each block
says how much more likely it is with the first step than without: a part pasted before the last saving lacks it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64, Int

from ..exhibit import Exhibit
from ..facts.jpeg import LUMINANCE, scaled
from ..measurement import Answer, Measurement, NotApplicable, Question
from ..windows import block_means, boxes, enlarged

FREQUENCIES = [(0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (0, 3), (3, 0), (2, 2), (1, 3), (3, 1)]
QUALITIES = range(30, 99)
MOST = 20  # quantised values beyond are one bin
SAMPLE = 40_000  # blocks that histograms are made of
ROUNDING = (
    0.35  # standard deviation of what rounding pixels adds to a coefficient (1 / sqrt 12), a little more for clipping
)
SMOOTHING = 0.5  # counts
WINDOW = 4  # blocks
SEEN = 0.003  # nats a coefficient from which the whole image counts as saved before
LIMITS = (
    "An earlier saving at the same quality leaves nothing to see, one at a much higher quality little. Saving twice is what most "
    "platforms do: for the whole image it is history. Parts without detail say nothing."
)


class DoubleJpeg:
    """The test for an earlier JPEG compression on the same grid, and for a part without it."""

    name = "double-jpeg"
    title = "Aligned double JPEG"
    kind = "calibrated"
    questions = (
        Question("double-jpeg", about="history"),
        Question("double-jpeg-local", scope="tiles"),
    )
    purpose = "Whether a JPEG was a JPEG of lower quality before, on the same grid, and whether a part was not."
    reference = "Lin et al., Pattern Recognition 42 (2009); Bianchi and Piva, TIFS 7 (2012)"
    needs = "a JPEG file of 192 x 192 pixels"
    cannot = LIMITS

    def applies(self, exhibit: Exhibit) -> str | None:
        """Why the image cannot be tested: not a JPEG, or too small."""
        if exhibit.coefficients is None:
            return "no JPEG file"
        return "smaller than 192 pixels" if min(exhibit.size) < 192 else None

    def measure(self, exhibit: Exhibit) -> Iterator[Answer]:
        """The gain of a first quality in nats per coefficient, then the part that speaks most against it."""
        assert exhibit.coefficients is not None
        blocks, table = exhibit.coefficients.blocks, exhibit.coefficients.table
        rows, columns = (length // 8 for length in exhibit.size)
        blocks = blocks[:rows, :columns]
        unquantised = _shifted(exhibit.luma)
        usable = [f for f in FREQUENCIES if table[f] > 1]
        if not usable:
            yield NotApplicable(self.name, "its quantisation is too fine to show an earlier one")
            return
        quality, gain, support = _first_quality(blocks, unquantised, table, usable)
        is_seen = gain >= SEEN
        yield Measurement(
            self.name, statistic=gain, limits=LIMITS, details={"first_quality": quality} if is_seen else {},
            because=f"under a first saving at quality {quality} its coefficients are {gain:.4f} nats each more likely"
            if is_seen
            else "no earlier saving at another quality is seen",
        )  # fmt: skip
        against = -block_means(support, WINDOW)
        score = float(against.max()) if is_seen else 0.0
        shown = np.clip(against / max(score, 1e-9), 0, 1) if score > 0 else np.zeros_like(against)
        picture = enlarged(shown, WINDOW * 8, exhibit.size)
        yield Measurement(
            "double-jpeg-local", statistic=max(score, 0.0), map=picture, limits=LIMITS,
            because=f"one part speaks against a first saving by {score:.1f} nats a block, the rest for it"
            if is_seen
            else "the image as a whole was not saved before at a lower quality, as far as is seen",
            details={"regions": boxes(picture > 0.5)},
        )  # fmt: skip


CHECK = DoubleJpeg()


def _shifted(luma: np.ndarray) -> Float64[np.ndarray, "n 8 8"]:
    """Coefficients of the image cropped by half a block."""
    from scipy.fft import dctn

    rows, columns = ((length - 4) // 8 for length in luma.shape)
    blocks = (
        luma[4 : 4 + rows * 8, 4 : 4 + columns * 8].reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3).reshape(-1, 8, 8)
    )
    step = max(1, len(blocks) // SAMPLE)
    result: Float64[np.ndarray, "n 8 8"] = dctn(blocks[::step].astype(np.float64) - 128, axes=(1, 2), norm="ortho")
    return result


def _first_quality(
    blocks: np.ndarray, unquantised: np.ndarray, table: np.ndarray, usable: list[tuple[int, int]]
) -> tuple[int, float, Float64[np.ndarray, "rows columns"]]:
    """The most likely first quality, its gain in nats per coefficient, and the gain of each block in nats."""
    noise = np.random.default_rng(0).normal(0, ROUNDING, len(unquantised))  # the same for every file
    observed = {f: np.clip(blocks[:, :, *f], -MOST, MOST).astype(int) + MOST for f in usable}
    counts = {f: np.bincount(values.ravel(), minlength=2 * MOST + 1) for f, values in observed.items()}
    single = {f: _log_histogram(unquantised[:, *f] + noise, float(table[f])) for f in usable}
    base = sum(float(counts[f] @ single[f]) for f in usable)
    total = sum(int(counts[f].sum()) for f in usable)
    best: tuple[float, int, dict[tuple[int, int], np.ndarray]] = (-np.inf, QUALITIES[0], single)
    for quality in QUALITIES:
        first = scaled(LUMINANCE, quality).reshape(8, 8)
        double = {}
        for f in usable:
            q1 = float(first[f])
            # The same step, or one that divides it, leaves nothing to be seen.
            seen = q1 > 1 and table[f] % q1 != 0
            double[f] = (
                _log_histogram(np.rint(unquantised[:, *f] / q1) * q1 + noise, float(table[f])) if seen else single[f]
            )
        gain = sum(float(counts[f] @ double[f]) for f in usable) - base
        if gain > best[0]:
            best = gain, quality, double
    gain, quality, double = best
    support = sum((double[f] - single[f])[observed[f]] for f in usable)
    return quality, max(gain, 0.0) / total, np.asarray(support, np.float64)


def _log_histogram(values: Float64[np.ndarray, "n"], step: float) -> Float64[np.ndarray, "bins"]:
    quantised: Int[np.ndarray, "n"] = np.clip(np.rint(values / step), -MOST, MOST).astype(int) + MOST
    counts = np.bincount(quantised, minlength=2 * MOST + 1) + SMOOTHING
    result: Float64[np.ndarray, "bins"] = np.log(counts / counts.sum())
    return result
