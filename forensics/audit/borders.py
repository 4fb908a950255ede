"""Plain borders: rows and columns at a picture's edges that hold nothing. Scanners, platforms and frames add them; they are no
part of what a test may compare the rest with.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

EVEN = 2  # grey levels: the range of a row or block that holds nothing, saved as a JPEG too
PLACE = 8  # pixels: what is left keeps a file's grid of blocks
Box = tuple[int, int, int, int]


def without_borders(pixels: Float32[np.ndarray, "h w c"]) -> Box:
    """Top, left, bottom and right of what plain borders leave of a picture in grey levels, whole places of 8 x 8 pixels.

    Without any border it is all of the picture; of a picture that is all plain nothing is left (top = bottom).
    """
    box = []
    for axis, length in ((1, pixels.shape[0]), (0, pixels.shape[1])):
        ranges = (pixels.max(axis) - pixels.min(axis)).max(-1) if pixels.size else np.zeros(length)
        busy = np.flatnonzero(ranges > EVEN)
        if not len(busy):
            return 0, 0, 0, 0
        first, last = int(busy[0]), int(busy[-1]) + 1
        box.append((-(-first // PLACE) * PLACE, length if last == length else last // PLACE * PLACE))
    (top, bottom), (left, right) = box
    return (top, left, bottom, right) if top < bottom and left < right else (0, 0, 0, 0)
