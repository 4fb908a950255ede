"""One orthonormal Haar step: an image into a coarse one of half the size and what was lost, and back.

Along a row, a pair (a, b) becomes (a + b) / sqrt 2 and (a - b) / sqrt 2; an unpaired last sample passes through
unchanged and stands in the coarse image alone. Rows first, then columns. The step is a rotation: it preserves volume,
so log-densities add up without a determinant, and white noise stays white.

Details of an image of odd size lack a column or a row here and there; they are kept in one tensor, zero where there
is none, and `present` says where there is one.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

ORIENTATIONS = 3  # differences along rows, along columns, and along both


def split(x: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b c p q"], Float[Tensor, "b d p q"]]:
    """Coarse image and details, `d = 3 c` channels ordered by orientation, `p, q` half of `h, w`, rounded up."""
    low, high = _split_last(x)
    coarse, vertical = _split_rows(low)
    horizontal, diagonal = _split_rows(high)
    size = coarse.shape[2:]
    return coarse, torch.cat([_padded(part, size) for part in (horizontal, vertical, diagonal)], 1)


def join(
    coarse: Float[Tensor, "b c p q"], details: Float[Tensor, "b d p q"], size: tuple[int, int]
) -> Float[Tensor, "b c h w"]:
    """The image of `size` that `split` took apart."""
    height, width = size
    horizontal, vertical, diagonal = details.chunk(ORIENTATIONS, 1)
    low = _join_rows(coarse, vertical[:, :, : height // 2], height)
    high = _join_rows(horizontal[..., : width // 2], diagonal[:, :, : height // 2, : width // 2], height)
    return _join_last(low, high, width)


@lru_cache(maxsize=64)
def present(size: tuple[int, int]) -> Float[Tensor, "3 p q"]:
    """1 where an image of `size` has a detail of that orientation, 0 where it has none."""
    height, width = size
    rows, columns = -(-height // 2), -(-width // 2)
    mask = torch.ones(ORIENTATIONS, rows, columns)
    mask[0, :, width // 2 :] = 0
    mask[1, height // 2 :, :] = 0
    mask[2, :, width // 2 :] = 0
    mask[2, height // 2 :, :] = 0
    return mask


def brightness(size: tuple[int, int], steps: int) -> Float[Tensor, "p q"]:
    """What a constant image of ones becomes after so many steps: 2 a step, less where a sample passed unpaired."""
    rows, columns = (_brightness(side, steps) for side in size)
    return rows[:, None] * columns[None, :]


def unevenness(size: tuple[int, int], steps: int) -> Float[Tensor, "3 p q"]:
    """The details of a constant image of ones at the last of so many steps: zero, but where an unpaired sample meets a pair."""
    return split(brightness(size, steps - 1)[None, None])[1][0]


def _brightness(length: int, steps: int) -> Tensor:
    ones = torch.ones(1, 1, 1, length)
    for _ in range(steps):
        ones = _split_last(ones)[0]
    return ones[0, 0, 0]


def _split_last(x: Tensor) -> tuple[Tensor, Tensor]:
    pairs = x.shape[-1] // 2
    even, odd = x[..., 0 : 2 * pairs : 2], x[..., 1 : 2 * pairs : 2]
    low = (even + odd) / math.sqrt(2)
    return torch.cat([low, x[..., 2 * pairs :]], -1), (even - odd) / math.sqrt(2)


def _split_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    low, high = _split_last(x.transpose(2, 3))
    return low.transpose(2, 3), high.transpose(2, 3)


def _join_last(low: Tensor, high: Tensor, length: int) -> Tensor:
    pairs = length // 2
    paired, rest = low[..., :pairs], low[..., pairs:]
    both = torch.stack([paired + high, paired - high], -1) / math.sqrt(2)
    return torch.cat([both.flatten(-2), rest], -1)


def _join_rows(low: Tensor, high: Tensor, length: int) -> Tensor:
    return _join_last(low.transpose(2, 3), high.transpose(2, 3), length).transpose(2, 3)


def _padded(part: Tensor, size: torch.Size) -> Tensor:
    return F.pad(part, (0, size[1] - part.shape[3], 0, size[0] - part.shape[2]))
