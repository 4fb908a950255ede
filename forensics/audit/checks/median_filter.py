"""Median filtering (Kirchner and Fridrich, SPIE 2010; Cao, Zhao, Ni, Yu and Tian, ICME 2010).

A median repeats values: differences of neighbours are zero more often than noise allows. Of noise without a filter,
differences of 0 and of +-1 are about as frequent as a bell curve has them; the ratio h(0) / h(1) rises where a median
was. It is compared between windows with enough small differences, so that a filter over everything (history) is not taken
for a part's.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64

from ..exhibit import Exhibit
from ..measurement import Answer, Measurement, Question
from ..windows import block_means, oddest

WINDOW = 32
ENOUGH = 0.05  # share of differences of +-1 from which a window says something
LIMITS = "Compression repeats values too. Drawn, saturated or denoised parts look filtered."


class MedianFilter:
    """The test for a part that was smoothed by a median filter."""

    name = "median-filter"
    title = "Median filter"
    kind = "calibrated"
    questions = (Question("median-filter", scope="tiles"),)
    purpose = "Whether a part was smoothed by a median, as retouching does to hide traces."
    reference = "Kirchner and Fridrich, SPIE 7541 (2010); Cao et al., ICME 2010"
    needs = "192 x 192 pixels, lossless or JPEG of quality 90 and more"
    cannot = LIMITS

    def applies(self, exhibit: Exhibit) -> str | None:
        """Why the image cannot be tested: too small, or compression that repeats values itself."""
        if min(exhibit.size) < 192:
            return "smaller than 192 x 192 pixels"
        if exhibit.gate.stratum not in ("lossless", "jpeg-high"):
            return f"compression repeats values ({exhibit.gate.stratum})"
        return None

    def measure(self, exhibit: Exhibit) -> Iterator[Answer]:
        """The window whose values repeat most, in robust standard deviations from the others, with a map."""
        odd = oddest(repeats(exhibit.pixels), WINDOW, exhibit.size, least=0.1, sides=1)
        yield Measurement(
            self.name, statistic=odd.score, map=odd.map, limits=LIMITS, details={"regions": odd.regions},
            because=f"values repeat in one part {odd.score:.1f} deviations more than elsewhere",
        )  # fmt: skip


CHECK = MedianFilter()


def repeats(pixels: np.ndarray) -> Float64[np.ndarray, "p q"]:
    """log h(0) / h(+-1) of neighbouring differences, by window.

    In green, or the only channel; NaN where there are too few.
    """
    grey = np.rint(pixels[..., min(1, pixels.shape[2] - 1)])
    zero, one = np.zeros(0), np.zeros(0)
    for axis in (0, 1):
        step = np.abs(np.diff(grey, axis=axis, append=grey[-1:] if axis == 0 else grey[:, -1:] + 9))
        zero = (
            zero + block_means((step == 0).astype(float), WINDOW)
            if zero.size
            else block_means((step == 0) * 1.0, WINDOW)
        )
        one = (
            one + block_means((step == 1).astype(float), WINDOW) if one.size else block_means((step == 1) * 1.0, WINDOW)
        )
    return np.where(one >= 2 * ENOUGH, np.log((zero + 0.01) / (one + 0.01)), np.nan)
