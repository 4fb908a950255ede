"""From pixels to the grids of the cascade.

Stage C: ceil(side / 42.67); stage B: ceil(side / 4), made even since its first step is a patch of 2; what is over is cropped.
The low-resolution pass has about 24 x 24 places at the picture's aspect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from oddpixel.errors import UsageError

Grid = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Sizes of the cascade's grids, relative to the picture.

    Arguments:
        compression: pixels a place of stage C's latent, along a side.
        reduction: the same of stage A.
        base: places of a side of a square low-resolution pass.
        patch: stage B's.
        encoder: pixels a place of the semantic encoder, along a side.
    """

    compression: float = 42.67
    reduction: int = 4
    base: int = 24
    patch: int = 2
    encoder: int = 32

    def semantic(self, size: Grid) -> Grid:
        """Grid of stage C's latent, for a picture of this size."""
        return _divided(size, self.compression)

    def latent(self, size: Grid) -> Grid:
        """Grid of stage A's latent; multiples of stage B's patch."""
        rows, columns = (self.patch * math.ceil(side / self.patch) for side in _divided(size, self.reduction))
        return rows, columns

    def low(self, size: Grid) -> Grid:
        """Grid of the low-resolution pass: as many places as base x base, at the picture's aspect."""
        height, width = size
        rows = max(round(self.base * math.sqrt(height / width)), 1)
        return rows, max(round(self.base * self.base / rows), 1)

    def encoded(self, grid: Grid) -> Grid:
        """Size of the picture that the semantic encoder maps to this grid."""
        return self.encoder * grid[0], self.encoder * grid[1]

    def check(self, size: Grid) -> None:
        """Check that the cascade can make pictures of this size.

        Raises: UsageError where the cascade cannot make such a picture.
        """
        least = math.ceil(4 * self.compression)
        if min(size) < least:
            raise UsageError(
                f"a picture of {size[0]} x {size[1]} is too small for this cascade; each side needs {least} pixels or more"
            )
        if max(size) / min(size) > MOST_OBLONG:
            raise UsageError(
                f"the aspect ratio of {size[0]} x {size[1]} exceeds {MOST_OBLONG:g} to 1, which the cascade was not trained for"
            )


def parsed(text: str) -> Grid:
    """Parse HEIGHTxWIDTH in pixels. Raises: UsageError."""
    height, by, width = text.lower().partition("x")
    if not (by and height.isdecimal() and width.isdecimal() and max(len(height), len(width)) <= MOST_DIGITS):
        raise UsageError(f"a size is HEIGHTxWIDTH in pixels, such as 256x384; got {text!r}")
    return int(height), int(width)


MOST_OBLONG = 4.0
MOST_SIDE = 8192  # pixels; the memory and time of larger ones are those of another machine
MOST_DIGITS = 6


def _divided(size: Grid, by: float) -> Grid:
    return math.ceil(size[0] / by), math.ceil(size[1] / by)
