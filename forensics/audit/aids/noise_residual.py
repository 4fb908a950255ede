"""What a median of 3 x 3 takes away: noise, and fine detail."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from ..exhibit import Exhibit

GAIN = 12.0  # grey levels shown a grey level of the residual


class NoiseResidual:
    """The noise of the brightness, amplified around middle grey."""

    name = "noise-residual"
    title = "Noise residual"
    explanation = (
        "The image minus its median over 3 x 3 pixels, around grey. Parts without noise among noisy ones stand out "
        "to the eye; so do skies, "
        "skin that a camera smoothed, and saturated parts."
    )

    def draw(self, exhibit: Exhibit) -> UInt8[np.ndarray, "h w *c"]:
        """The residual times a fixed gain; 128 is no difference from the median."""
        return np.rint(np.clip(128 + GAIN * residual(exhibit.luma), 0, 255)).astype(np.uint8)


AID = NoiseResidual()


def residual(luma: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """The brightness minus its median over 3 x 3 pixels, in grey levels."""
    return luma - cv2.medianBlur(luma, 3)
