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


Window = tuple[slice, slice]  # rows and columns of the positions that a step leaves
EVERYTHING: Window = (slice(None), slice(None))


def present(size: tuple[int, int], window: Window = EVERYTHING) -> Float[Tensor, "3 p q"]:
    """1 where an image of `size` has a detail of that orientation, 0 where it has none."""
    rows, columns = (
        (torch.arange(-(-side // 2)) < side // 2).float()[part] for side, part in zip(size, window, strict=True)
    )
    both = rows[:, None] * columns
    return torch.stack([columns.expand_as(both), rows[:, None].expand_as(both), both])


def brightness(size: tuple[int, int], steps: int, window: Window = EVERYTHING) -> Float[Tensor, "p q"]:
    """What a constant image of ones becomes after so many steps: 2 a step, less where a sample passed unpaired."""
    rows, columns = (_ones(side, steps)[0][part] for side, part in zip(size, window, strict=True))
    return rows[:, None] * columns


def unevenness(size: tuple[int, int], steps: int, window: Window = EVERYTHING) -> Float[Tensor, "3 p q"]:
    """The details of a constant image of ones at the last of so many steps: zero, but where an unpaired sample meets a pair."""
    (low_rows, high_rows), (low_columns, high_columns) = (
        [each[part] for each in _ones(side, steps)] for side, part in zip(size, window, strict=True)
    )
    return torch.stack(
        [low_rows[:, None] * high_columns, high_rows[:, None] * low_columns, high_rows[:, None] * high_columns]
    )


def smooth_details(shown: Float[Tensor, "b c p q"], steps: int) -> Float[Tensor, "b d p q"]:
    """The last step's details of an image that rises evenly from each mean to the next; `shown` are the means after it.

    What a 3 x 3 neighbourhood tells of slopes (the S + P transform's predictor, Said and Pearlman 1996, in two dimensions).
    """
    s = F.pad(shown, (1, 1, 1, 1), mode="replicate")
    horizontal = (s[:, :, 1:-1, :-2] - s[:, :, 1:-1, 2:]) / 4
    vertical = (s[:, :, :-2, 1:-1] - s[:, :, 2:, 1:-1]) / 4
    diagonal = (s[:, :, :-2, :-2] - s[:, :, :-2, 2:] - s[:, :, 2:, :-2] + s[:, :, 2:, 2:]) / 32
    return torch.cat([horizontal, vertical, diagonal], 1) * 2.0 ** (steps - 1)


@lru_cache(maxsize=256)
def _ones(length: int, steps: int) -> tuple[Tensor, Tensor]:
    """A row of ones after so many steps, and the last step's details, zero where there is none."""
    low, high = torch.ones(length), torch.zeros(length)
    for _ in range(steps):
        low, high = _split_last(low)
    return low, F.pad(high, (0, len(low) - len(high)))


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
