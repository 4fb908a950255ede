"""Regions of a picture, each described by how its traces differ from those of the rest.

A region is an ellipse over places of 8 x 8 pixels. What lies within it, at its edge and outside of it is summed up by mean
and deviation of every trace; a region with the history of the rest differs from it as content does, one with a history of its
own differs besides in what content does not decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Int64, Real
from torch import Tensor

from .traces import PLACE, traces_of

STEP = 4  # places between regions
SIDES = ((8, 8), (12, 12), (16, 16), (22, 22), (8, 16), (16, 8), (12, 22), (22, 12))  # in places: 64 to 176 pixels
INNER, OUTER = 0.8, 1.15  # of a region's axes: within lies what is surely its own, beyond what is surely the rest
SUMS = 6  # numbers a trace in a description
SOFTENED = 0.1  # added to a deviation that something is divided by


def regions_in(pixels: Real[np.ndarray, "h w 3"]) -> tuple[Float[Tensor, "n d"], Int[np.ndarray, "n 4"]]:
    """The descriptions of all regions of a picture in grey levels 0..255, and their boxes in places."""
    descriptions, boxes = regions_of(traces_in(pixels))
    return descriptions, boxes.numpy()


def traces_in(pixels: Real[np.ndarray, "h w 3"]) -> Float[Tensor, "f p q"]:
    """The traces of a picture in grey levels 0..255, at its whole places."""
    height, width = (length // PLACE * PLACE for length in pixels.shape[:2])
    grey_levels = np.ascontiguousarray(pixels[:height, :width].transpose(2, 0, 1)).astype(np.float32)
    traces: Tensor = traces_of(torch.from_numpy(grey_levels)[None])[0]
    return traces


def regions_of(traces: Float[Tensor, "f p q"]) -> tuple[Float[Tensor, "n d"], Int64[Tensor, "n 4"]]:
    """The descriptions of all regions, and their boxes in places: top, left, bottom, right (exclusive)."""
    both = torch.cat([traces, traces.square()])[:, None]
    total, count = both.sum((1, 2, 3)), float(traces[0].numel())
    described, boxes = [], []
    for rows, columns in _fitting(tuple(traces.shape[1:])):
        inner, covered = _kernels(rows, columns)
        down, across = _margin(rows), _margin(columns)
        grown, ones = (F.pad(x, (across, across, down, down)) for x in (both, torch.ones_like(both[:1])))
        within = F.conv2d(both, inner[None, None], stride=STEP).flatten(1)
        under = F.conv2d(grown, covered[None, None], stride=STEP).flatten(1)
        under_count = F.conv2d(ones, covered[None, None], stride=STEP).flatten()
        described.append(_described(within, under, total, inner.sum(), under_count, count))
        steps = ((length - side) // STEP + 1 for length, side in zip(traces.shape[1:], (rows, columns), strict=True))
        corner = torch.cartesian_prod(*map(torch.arange, steps)) * STEP
        boxes.append(torch.cat([corner, corner + torch.tensor([rows, columns])], 1))
    return torch.cat(described), torch.cat(boxes)


def description_of(
    traces: Float[Tensor, "f p q"], inner: Float[Tensor, "p q"], covered: Float[Tensor, "p q"]
) -> Float[Tensor, "d"]:
    """The description of one region, given what is surely within it, and all that is not surely the rest, as 0..1."""
    both = torch.cat([traces, traces.square()]).flatten(1)
    within, under = both @ inner.flatten()[:, None], both @ covered.flatten()[:, None]
    return _described(within, under, both.sum(1), inner.sum(), covered.sum()[None], float(inner.numel()))[0]


def _fitting(size: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """The sizes of regions that leave a rest."""
    for rows, columns in SIDES:
        if rows * OUTER <= size[0] - 2 and columns * OUTER <= size[1] - 2:
            yield rows, columns


@cache
def _kernels(rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """The ellipse of what is surely within, and the larger one of what is not surely the rest, on its own grid."""
    grown = (rows + 2 * _margin(rows), columns + 2 * _margin(columns))
    return _ellipse(rows, columns, INNER, (rows, columns)), _ellipse(rows, columns, OUTER, grown)


def _margin(side: int) -> int:
    """The places by which what is not surely the rest may go beyond a region's box."""
    return int(side * (OUTER - 1) / 2 + 1)


def _ellipse(rows: int, columns: int, scale: float, grid: tuple[int, int]) -> Tensor:
    down, across = (torch.arange(length) - (length - 1) / 2 for length in grid)
    distance = (down[:, None] / (rows * scale / 2)) ** 2 + (across[None] / (columns * scale / 2)) ** 2
    return (distance <= 1).float()


def _described(
    within: Float[Tensor, "g n"], under: Float[Tensor, "g n"], total: Float[Tensor, "g"], num_within: Tensor,
    num_under: Float[Tensor, "n"], count: float,
) -> Float[Tensor, "n d"]:  # fmt: skip
    mine, my_std = _moments(within / num_within.clamp(min=1))
    rest, rest_std = _moments((total[:, None] - under) / (count - num_under).clamp(min=1))
    edge = (under - within)[: len(mine)] / (num_under - num_within).clamp(min=1)
    apart = mine - rest
    return torch.cat(
        [apart, apart.abs(), apart.abs() / (rest_std + SOFTENED), edge - (mine + rest) / 2, my_std - rest_std, mine]
    ).T


def _moments(means: Float[Tensor, "g n"]) -> tuple[Tensor, Tensor]:
    """Mean and deviation, from the means of values and of their squares."""
    mean, square = means.chunk(2)
    return mean, (square - mean.square()).clamp(min=0).sqrt()
