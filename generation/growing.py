"""Pictures larger than guidance was trained for are grown: made at half their size first, then again in overlapping tiles of the
size that was trained, each guided by its part of the smaller picture as by a low-resolution pass.

The tiles are one picture while they are denoised: at every step the noise of a place is the mean of what the tiles over it
predict, nearer to their middles counting more (MultiDiffusion, Bar-Tal et al. 2023, eq. 5). Each has the grid that stage C knows,
so that work and memory of stage C grow with the pixels, where attention over all of them grows with their square. Colours
would drift from size to size: what is coarse is taken over from the smaller picture (as in StableSR, Wang et al. 2023, 3.4).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate, pad

from .conditions.tokens import Conditions
from .guidance.guided import GuidedStageC, Plan
from .sizes import Geometry, Grid

MORE = 1.5  # times the area that was trained, up to which a picture is made at once
STEP = 0.75  # of a tile, from one to the next
RAMP = 8  # places from a tile's edge over which it comes to count in full
COARSE = 64  # pixels of the larger picture over which colours are means


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How large pictures are made.

    Arguments:
        side: of the largest square that guidance was trained on, in pixels.
        steps, shift: of the passes over tiles; a tile's grid is what the shift is of.
    """

    side: int
    steps: int
    shift: float

    def sizes(self, size: Grid) -> list[Grid]:
        """The sizes on the way to a picture of this size, the first one made at once; each at least half the next."""
        way = [size]
        while way[0][0] * way[0][1] > MORE * self.side**2:
            way.insert(0, (-(-way[0][0] // 2), -(-way[0][1] // 2)))
        return way


@dataclass(frozen=True)
class Tile:
    """A window of stage C's grid."""

    rows: slice
    columns: slice

    @property
    def grid(self) -> Grid:
        """Rows and columns."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def part_of(
        self, pictures: Float[Tensor, "b 3 _h _w"], size: Grid, geometry: Geometry
    ) -> Float[Tensor, "b 3 _p _q"]:
        """What smaller pictures show there, of pictures of `size`; the last row and column go on beyond their edge."""
        height, width = pictures.shape[2:]
        scale = geometry.compression * height / size[0], geometry.compression * width / size[1]
        top, bottom = (round(place * scale[0]) for place in (self.rows.start, self.rows.stop))
        left, right = (round(place * scale[1]) for place in (self.columns.start, self.columns.stop))
        whole = pad(pictures, (0, max(right - width, 0), 0, max(bottom - height, 0)), mode="replicate")
        return whole[:, :, top:bottom, left:right]


def tiles(grid: Grid, side: int) -> list[Tile]:
    """Overlapping tiles of at most `side` places, spread evenly over a grid."""
    rows, columns = (_spans(length, min(side, length)) for length in grid)
    return [Tile(down, across) for down in rows for across in columns]


def _spans(length: int, tile: int) -> list[slice]:
    count = math.ceil((length - tile) / (STEP * tile)) + 1
    starts = [round(number * (length - tile) / max(count - 1, 1)) for number in range(count)]
    return [slice(start, start + tile) for start in starts]


@dataclass(frozen=True, eq=False)
class Mosaic:
    """Stage C over tiles, each with the plan of its own low-resolution part."""

    c: GuidedStageC
    tiles: Sequence[Tile]
    plans: Sequence[Plan] = field(repr=False)

    def predict_noise(
        self, x: Float[Tensor, "b c _h _w"], t: Float[Tensor, "b"], conditions: Conditions
    ) -> Float[Tensor, "b c _h _w"]:
        """e_hat of the whole grid: the mean of the tiles over each place."""
        total, weights = torch.zeros_like(x), torch.zeros_like(x[:1, :1])
        for tile, plan in zip(self.tiles, self.plans, strict=True):
            weight = _weight(tile.grid).to(x)
            part = x[:, :, tile.rows, tile.columns]
            total[:, :, tile.rows, tile.columns] += weight * self.c.predict_noise(part, t, conditions, plan)
            weights[:, :, tile.rows, tile.columns] += weight
        return total / weights


def with_colours_of(
    smaller: Float[Tensor, "b 3 _h _w"], larger: Float[Tensor, "b 3 _p _q"]
) -> Float[Tensor, "b 3 _p _q"]:
    """The larger pictures with the smaller ones' means over areas of `COARSE` pixels."""
    size = (larger.shape[2], larger.shape[3])
    places = (-(-size[0] // COARSE), -(-size[1] // COARSE))
    wanted, found = (interpolate(pictures, size=places, mode="area") for pictures in (smaller, larger))
    return larger + interpolate(wanted - found, size=size, mode="bilinear")


def _weight(grid: Grid) -> Float[Tensor, "h w"]:
    """Rising from each edge."""
    rows, columns = (torch.arange(1, length + 1) for length in grid)
    down, across = (torch.minimum(places, places.flip(0)).clamp(max=RAMP) for places in (rows, columns))
    return (down[:, None] * across).float()
