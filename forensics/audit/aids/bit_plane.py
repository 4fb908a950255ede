"""The lowest bit of brightness."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from ..exhibit import Exhibit


class BitPlane:
    """The least significant bit of green (or of the only channel), drawn black and white."""

    name = "bit-plane"
    title = "Lowest bit plane"
    explanation = (
        "Noise in a photograph. Flat patches are clipped, drawn, or smoothed; visible shapes may be hidden data."
    )

    def draw(self, exhibit: Exhibit) -> UInt8[np.ndarray, "h w *c"]:
        """White where the bit is 1, at the size of the image."""
        channel = exhibit.pixels[..., min(1, exhibit.pixels.shape[2] - 1)]
        result: UInt8[np.ndarray, "h w *c"] = (np.rint(channel).astype(np.int64) & 1).astype(np.uint8) * 255
        return result


AID = BitPlane()
