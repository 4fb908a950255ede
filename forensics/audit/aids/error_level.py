"""Error level analysis (Krawetz 2007): what another saving at quality 90 changes."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from ..exhibit import Exhibit
from . import stretched

QUALITY = 90
FULL = 15.0  # grey levels shown white


class ErrorLevel:
    """The difference between the image and its JPEG of quality 90, brightened."""

    name = "error-level"
    title = "Error level analysis"
    explanation = (
        "What changes when the image is saved again as JPEG of quality 90. Edges and texture are bright in every "
        "photograph, smooth parts "
        "dark. Measured on authentic and manipulated images it tells them apart hardly better than chance "
        "(benchmarks/audit.json)."
    )

    def draw(self, exhibit: Exhibit) -> UInt8[np.ndarray, "h w *c"]:
        """The absolute difference on a fixed scale, so that pictures of two images can be compared."""
        return stretched(error_level(exhibit.pixels), FULL)


AID = ErrorLevel()


def error_level(pixels: Float32[np.ndarray, "h w c"]) -> Float32[np.ndarray, "h w c"]:
    """The absolute change by a JPEG compression at quality 90, in grey levels per channel."""
    picture = np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)
    bgr = picture[..., ::-1] if picture.shape[2] == 3 else picture
    _, saved = cv2.imencode(".jpg", np.ascontiguousarray(bgr), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    again = np.asarray(cv2.imdecode(saved, cv2.IMREAD_COLOR if picture.shape[2] == 3 else cv2.IMREAD_GRAYSCALE))
    again = again[..., ::-1] if picture.shape[2] == 3 else again[..., None]
    result: Float32[np.ndarray, "h w c"] = np.abs(again.astype(np.float32) - picture)
    return result
