"""What every encoder gives, and how that of networks made for other ends is brought into the form."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from oddpixel.errors import WrongArchitecture

STRIDE = 8  # pixels between patches, where an encoder does not say otherwise
WIDEST = 256  # channels of a patch that are kept: memories hold thousands of them
TILE_OVERLAP = 4  # a tile shares a quarter with the next


def moments(h: Float[Tensor, "b c p q"]) -> Float[Tensor, "b e"]:
    """Mean and deviation over places, side by side."""
    return torch.cat([h.mean((2, 3)), h.flatten(2).std(2, correction=0)], 1)


def whole(encoder: nn.Module, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b e"]:
    """The picture as one vector, in the encoder's own way, or as the mean and deviation of its patches."""
    own: Callable[[Tensor], Tensor] | None = getattr(encoder, "whole", None)
    return own(x) if callable(own) else moments(encoder(x))


def stride_of(encoder: nn.Module | None) -> int:
    """Pixels from one patch to the next."""
    return int(getattr(encoder, "stride", STRIDE))


def on_grid(tokens: Float[Tensor, "b n d"], rows: int, columns: int) -> Float[Tensor, "b d p q"]:
    """Tokens of patches as a picture; tokens before them (class, registers) are left out. Raises: WrongArchitecture."""
    extra = tokens.shape[1] - rows * columns
    if extra < 0:
        raise WrongArchitecture(f"an encoder gave {tokens.shape[1]} tokens for {rows} x {columns} patches")
    places = tokens[:, extra:].transpose(1, 2)
    return places.reshape(*places.shape[:2], rows, columns)


def side_by_side(maps: Sequence[Float[Tensor, "b _c _p _q"]]) -> Float[Tensor, "b d p q"]:
    """Blocks of a network, each at unit length by place, on the grid of the first, no more than `WIDEST` channels together.

    Wider ones are turned into fewer by a fixed random projection, which keeps distances (Johnson and Lindenstrauss; PaDiM,
    Defard et al. 2021, draws channels at random to the same end).
    """
    size = maps[0].shape[2:]
    placed = [h if h.shape[2:] == size else F.interpolate(h, size, mode="bilinear") for h in maps]
    together = torch.cat([F.normalize(h, dim=1) for h in placed], 1)
    channels = together.shape[1]
    if channels <= WIDEST:
        return together
    drawn = torch.randn(WIDEST, channels, generator=torch.Generator().manual_seed(channels))
    return F.conv2d(together, (drawn / WIDEST**0.5).to(together)[:, :, None, None])


class Normalised(nn.Module):
    """Brings pictures of 0..1 to the mean and deviation that a network was trained with."""

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(deviation).view(1, 3, 1, 1))

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """The picture less the mean, by the deviation."""
        return (x - self.mean) / self.deviation


class Tiled(nn.Module):
    """An encoder that takes one size only, over a picture of any: overlapping tiles, joined by weights that fall to their edges.

    Arguments:
        encoder: `[b, 3, size, size]` -> `[b, d, p, p]`.
        size: pixels a side of a tile.
    """

    def __init__(self, encoder: nn.Module, size: int) -> None:
        super().__init__()
        self.encoder, self.size = encoder, size
        with torch.no_grad():
            self.cells = encoder(torch.zeros(1, 3, size, size)).shape[2]
        self.stride = max(size // self.cells, 1)

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d p q"]:
        """Patches of all tiles on one grid; pictures smaller than a tile are enlarged."""
        height, width = (max(side, self.size) for side in x.shape[2:])
        if (height, width) != tuple(x.shape[2:]):
            x = F.interpolate(x, (height, width), mode="bilinear")
        rows, columns = (self._starts(side) for side in (height, width))
        ramp = 1 - torch.linspace(-1, 1, self.cells + 2)[1:-1].abs()
        weight = (ramp[:, None] * ramp[None]).to(x)
        total: Tensor | None = None
        for top in rows:
            for left in columns:
                y, z = top * self.stride, left * self.stride
                h = self.encoder(x[:, :, y : y + self.size, z : z + self.size])
                if total is None:
                    total = h.new_zeros(*h.shape[:2], rows[-1] + self.cells, columns[-1] + self.cells)
                    weights = h.new_zeros(total.shape[2:])
                total[:, :, top : top + self.cells, left : left + self.cells] += weight * h
                weights[top : top + self.cells, left : left + self.cells] += weight
        assert total is not None
        joined: Tensor = total / weights
        return joined

    def _starts(self, side: int) -> list[int]:
        """Cells at which tiles begin, evenly over the side."""
        last = (side - self.size) // self.stride
        step = max(self.cells - self.cells // TILE_OVERLAP, 1)
        count = -(-last // step)
        return [round(last * index / max(count, 1)) for index in range(count + 1)]
