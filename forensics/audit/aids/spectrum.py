"""The logarithm of the power spectrum: regular dots away from the axes are periodic traces of any origin."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from ..exhibit import Exhibit

LARGEST = 1024


class Spectrum:
    """The logarithm of the power spectrum of the central square, with a Hann window."""

    name = "spectrum"
    title = "Power spectrum"
    explanation = (
        "Of the middle of the image, slow frequencies in the centre. A lattice of dots comes from enlarging, from "
        "some generators, from "
        "JPEG (multiples of one eighth), and from fabrics and screens."
    )

    def draw(self, exhibit: Exhibit) -> UInt8[np.ndarray, "h w *c"]:
        """The spectrum from its 5th to its 99.99th percentile, zero frequency in the centre."""
        side = min(LARGEST, *exhibit.size)
        top, left = ((length - side) // 2 for length in exhibit.size)
        part = exhibit.luma[top : top + side, left : left + side]
        window = np.hanning(side)[:, None] * np.hanning(side)
        power = np.log1p(np.abs(np.fft.fftshift(np.fft.fft2((part - part.mean()) * window))))
        low, high = np.quantile(power, (0.05, 0.9999))
        result: UInt8[np.ndarray, "h w *c"] = np.rint(
            np.clip((power - low) / max(high - low, 1e-9), 0, 1) * 255
        ).astype(np.uint8)
        return result


AID = Spectrum()
