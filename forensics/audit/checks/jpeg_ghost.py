"""JPEG ghosts (Farid, TIFS 2009): a part that was once a JPEG of quality q hardly changes when the image is saved at q
again.

The image is saved at many qualities; where the squared difference of a part dips at a quality at which the rest does not,
that part has another history. Only the rest is compared with: what an image as a whole does is its history. Clipped and
flat blocks hardly change at any quality, so they say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float32, Float64

from ..exhibit import Exhibit
from ..measurement import Answer, Measurement, Question
from ..windows import Odd, block_means, oddest

QUALITIES = (50, 55, 60, 65, 70, 75, 80, 85, 90, 95)
BLOCK = 16
WINDOW = 4  # blocks, half apart
DARKEST, BRIGHTEST, FLAT = 12.0, 243.0, 1.5  # grey levels
SMOOTHING = 0.05  # squared grey levels: differences below are all the same
LIMITS = "Needs the same grid: a part that was moved is seen one time in 64. Dark and smooth parts look like ghosts."


class JpegGhost:
    """The test for a part that was once compressed at another JPEG quality than the rest."""

    name = "jpeg-ghost"
    title = "JPEG ghosts"
    kind = "calibrated"
    questions = (Question("jpeg-ghost", scope="tiles"),)
    purpose = "Whether a part was saved at a quality at which the rest was not."
    reference = "Farid, IEEE TIFS 4 (2009) 154"
    needs = "192 x 192 pixels"
    cannot = LIMITS

    def applies(self, exhibit: Exhibit) -> str | None:
        """Why the image cannot be tested: it is too small."""
        if min(exhibit.size) < 192:
            return "smaller than 192 x 192 pixels"
        return None

    def measure(self, exhibit: Exhibit) -> Iterator[Answer]:
        """The strongest ghost over all qualities, in robust standard deviations from the rest, with its map."""
        says = speaking(exhibit.luma)
        curves = np.stack([np.log(_difference(exhibit.luma, quality) + SMOOTHING) for quality in QUALITIES])
        # How deep each quality lies under the line between its neighbours: a dip.
        dips = (curves[:-2] + curves[2:]) / 2 - curves[1:-1]
        best: Odd | None = None
        at = 0
        for quality, dip in zip(QUALITIES[1:-1], dips, strict=True):
            odd = oddest(_averaged(dip, says), BLOCK, exhibit.size, least=0.05, sides=1)
            if best is None or odd.score > best.score:
                best, at = odd, quality
        assert best is not None
        yield Measurement(
            self.name, statistic=best.score, map=best.map, limits=LIMITS,
            details={"quality": at, "regions": best.regions},
            because=f"the strongest ghost is at quality {at}, {best.score:.1f} deviations from the rest",
        )  # fmt: skip


CHECK = JpegGhost()


def _difference(luma: Float32[np.ndarray, "h w"], quality: int) -> Float64[np.ndarray, "p q"]:
    """Mean squared, by block."""
    import cv2

    grey = np.rint(np.clip(luma, 0, 255)).astype(np.uint8)
    _, saved = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])
    again = np.asarray(cv2.imdecode(saved, cv2.IMREAD_GRAYSCALE), np.float32)
    return block_means(np.square(again - grey), BLOCK).astype(np.float64)


def speaking(luma: Float32[np.ndarray, "h w"]) -> Bool[np.ndarray, "p q"]:
    """Whether each block can carry a ghost: it is neither clipped nor flat."""
    mean = block_means(luma, BLOCK)
    spread = np.sqrt(np.maximum(block_means(np.square(luma), BLOCK) - np.square(mean), 0))
    result: Bool[np.ndarray, "p q"] = (mean > DARKEST) & (mean < BRIGHTEST) & (spread > FLAT)
    return result


def _averaged(values: Float64[np.ndarray, "p q"], says: Bool[np.ndarray, "p q"]) -> Float64[np.ndarray, "p q"]:
    """Over windows, of the blocks that say something; NaN where fewer than half do."""
    from scipy.ndimage import uniform_filter

    weight = uniform_filter(says.astype(np.float64), WINDOW, mode="nearest")
    total = uniform_filter(np.where(says, values, 0.0), WINDOW, mode="nearest")
    return np.where(weight >= 0.5, total / np.maximum(weight, 1e-9), np.nan)
