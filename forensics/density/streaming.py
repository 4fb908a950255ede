"""A pyramid's likelihood in tiles, so that beside an image only its coarser ones are held; and its maps on the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from oddpixel.parallel import in_parallel

from . import haar
from .conditional import Conditional
from .local import tiles
from .scales import check, halvings, sizes

if TYPE_CHECKING:
    from .pyramid import Pyramid


@torch.no_grad()
def stream(
    pyramid: Pyramid, read: Callable[[haar.Window], Tensor], size: tuple[int, int], tile: int | None = None
) -> list[Float[Tensor, "b p q"]]:
    """The same of an image that is read window by window, so that beside it only its coarser ones are held.

    Arguments:
        read: grey levels `[b, c, ., .]` of these rows and columns.
    """
    held: Tensor | None = None  # the image of this scale, once it is no longer the one that is read

    def pixels_of(window: haar.Window) -> Tensor:
        return pyramid.in_quanta(read(window)) if held is None else held[:, :, *window]

    maps: list[Tensor] = []
    for index, (height, width) in enumerate(halvings(size, pyramid.options.coarsest)):
        rows, columns = -(-height // 2), -(-width // 2)
        coarse, part = torch.empty(0), torch.empty(0)

        def judged(
            tile: tuple[haar.Window, haar.Window, haar.Window],
            index: int = index,
            height: int = height,
            width: int = width,
        ) -> tuple[haar.Window, Tensor, Tensor]:
            source, target, inside = tile
            low, details = haar.split(pixels_of((_doubled(source[0], height), _doubled(source[1], width))))
            found = pyramid.scale(index, low, details, size, source).log_likelihood_map()
            return target, low[:, :, *inside], found[:, *inside]

        squares = tiles(rows, columns, tile or max(rows, columns), _reach(pyramid, index))
        for target, low, found in in_parallel(judged, squares):
            if not len(part):
                coarse = low.new_empty(*low.shape[:2], rows, columns)
                part = found.new_empty(len(low), rows, columns)
            coarse[:, :, *target], part[:, *target] = low, found
        maps.append(part)
        held = coarse
    maps.append(pyramid.coarsest_scale(pixels_of(haar.EVERYTHING), len(maps)).log_likelihood_map())
    return maps


def scale_maps(pyramid: Pyramid, x: Tensor, tile: int | None = None) -> list[Float[Tensor, "b p q"]]:
    """log p of each scale by position, finest first, nats; in tiles of that side where one is given."""
    check(x, pyramid.options.channels)
    return stream(pyramid, lambda window: x[:, :, *window], (x.shape[2], x.shape[3]), tile)


def scale_log_likelihoods(pyramid: Pyramid, x: Tensor, tile: int | None = None) -> Float[Tensor, "b scales"]:
    """The terms of the sum, finest first, nats."""
    return torch.stack([part.flatten(1).sum(1) for part in scale_maps(pyramid, x, tile)], 1)


def likelihood_map(pyramid: Pyramid, x: Tensor, tile: int | None = None) -> Float[Tensor, "b h w"]:
    """Nats a pixel, summing to the log-likelihood: every scale's value spread evenly over the pixels it stands for."""
    return spread_maps(pyramid, scale_maps(pyramid, x, tile), (x.shape[2], x.shape[3]))


def spread_maps(
    pyramid: Pyramid, maps: Sequence[Float[Tensor, "b _p _q"]], size: tuple[int, int]
) -> Float[Tensor, "b h w"]:
    """Maps by scale on one map of the image, with the same sum."""
    num_steps = len(list(halvings(size, pyramid.options.coarsest)))
    spread, reached = torch.zeros(()), num_steps
    # Coarse to fine, so that each is spread by one step together with all before it.
    for index in reversed(range(len(maps))):
        wanted = min(index + 1, num_steps)
        spread = _spread(spread, size, reached, wanted) + maps[index]
        reached = wanted
    return _spread(spread, size, reached, 0)


def _reach(pyramid: Pyramid, index: int) -> int:
    network: Conditional = pyramid.scales[min(index, len(pyramid.scales) - 1)]  # type: ignore[assignment]
    return network.reach + 1  # for the slopes


def _spread(part: Tensor, size: tuple[int, int], steps: int, fewer: int) -> Tensor:
    """Every value shared out evenly among what lies under it, from after `steps` halvings of `size` to after `fewer`."""
    for height, width in reversed(list(sizes(size, steps))[fewer:]):
        rows, columns = _children(height), _children(width)
        part = part / (rows[:, None] * columns[None, :])
        part = part.repeat_interleave(rows.long(), 1).repeat_interleave(columns.long(), 2)
    return part


def _doubled(part: slice, length: int) -> slice:
    """The samples that a step makes these positions from."""
    return slice(2 * part.start, min(2 * part.stop, length))


def _children(length: int) -> Tensor:
    """How many samples lie under each position of the next coarser row: two, and one under an unpaired last."""
    counts = torch.full((-(-length // 2),), 2.0)
    if length % 2:
        counts[-1] = 1
    return counts
