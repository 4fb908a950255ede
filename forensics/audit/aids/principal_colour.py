"""The third principal component of the colours: what is left of colour once the two main directions are gone."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8

from ..exhibit import Exhibit

FEWEST_PIXELS = 4  # three directions of colour need as many differences


class PrincipalColour:
    """The coordinate of each pixel along the colour direction of least variance."""

    name = "principal-colour"
    title = "Third principal colour"
    explanation = (
        "Colours along the direction in which the image varies least. Another white balance shows; any odd colour too."
    )

    def draw(self, exhibit: Exhibit) -> UInt8[np.ndarray, "h w *c"]:
        """Grey 128 is the mean colour; the scale ends at the 99th percentile. All grey without three channels."""
        if exhibit.pixels.shape[2] != 3 or len(exhibit.pixels) * exhibit.pixels.shape[1] < FEWEST_PIXELS:
            return np.full(exhibit.size, 128, np.uint8)
        colours = exhibit.pixels.reshape(-1, 3)
        middle = colours.mean(0)
        _, directions = np.linalg.eigh(np.cov(colours[:: max(1, len(colours) // 200_000)].T))
        direction = directions[:, 0] * np.sign(directions[np.argmax(np.abs(directions[:, 0])), 0])
        values = ((colours - middle) @ direction.astype(np.float32)).reshape(exhibit.size)
        spread = max(float(np.quantile(np.abs(values), 0.99)), 1e-6)
        result: UInt8[np.ndarray, "h w *c"] = np.rint(np.clip(128 + 127 * values / spread, 0, 255)).astype(np.uint8)
        return result


AID = PrincipalColour()
