"""One Haar step in whole numbers (the S transform): an image into its means at half the size and what was lost, and back.

    (a, b) -> mean m = floor((a + b) / 2), difference d = a - b;      back: a = m + floor((d + 1) / 2), b = a - d

(Said and Pearlman 1996, "An image multiresolution representation for lossless and progressive compression", section II.) Rows
first, then columns; an unpaired last sample is its own mean. Whole numbers go to whole numbers, one to one, so a probability of
the parts is one of the image, and a flat image has parts that are exactly zero.

Samples are whole numbers of quanta plus a place within one (the dequantising noise, 0..1). The step acts on the whole numbers;
the places go along, each with one of the parts, so that the step preserves volume on real numbers too.

Details of an image of odd size lack a column or a row here and there; they are kept in one tensor, zero where there is none,
and `present` says where there is one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

ORIENTATIONS = 3  # differences along rows, along columns, and along both


def split(x: Float[Tensor, "b c h w"]) -> tuple[Float[Tensor, "b c p q"], Float[Tensor, "b d p q"]]:
    """Means and details, `d = 3 c` channels ordered by orientation, `p, q` half of `h, w`, rounded up."""
    whole = x.floor()
    low, high = _split_last(whole)
    mean, vertical = _split_rows(low)
    horizontal, diagonal = _split_rows(high)
    size, places = mean.shape[2:], _places(x - whole)
    parts = [_padded(part, size) for part in (horizontal, vertical, diagonal)]
    return mean + places[0], torch.cat([part + place for part, place in zip(parts, places[1:], strict=True)], 1)


def join(
    means: Float[Tensor, "b c p q"], details: Float[Tensor, "b d p q"], size: tuple[int, int]
) -> Float[Tensor, "b c h w"]:
    """The image of `size` that `split` took apart."""
    height, width = size
    rows, columns = height // 2, width // 2
    whole = torch.cat([means, details], 1).floor()
    places = (torch.cat([means, details], 1) - whole).chunk(1 + ORIENTATIONS, 1)
    mean, horizontal, vertical, diagonal = whole.chunk(1 + ORIENTATIONS, 1)
    low = _join_rows(mean, vertical[:, :, :rows], height)
    high = _join_rows(horizontal[..., :columns], diagonal[:, :, :rows, :columns], height)
    x = _join_last(low, high, width)
    for (top, left), place in zip(_CORNERS, places, strict=True):
        corner = x[:, :, top::2, left::2]
        corner += place[:, :, : corner.shape[2], : corner.shape[3]]
    return x


Window = tuple[slice, slice]  # rows and columns of the positions that a step leaves
EVERYTHING: Window = (slice(None), slice(None))


def present(size: tuple[int, int], like: Tensor, window: Window = EVERYTHING) -> Float[Tensor, "3 p q"]:
    """1 where an image of `size` has a detail of that orientation, 0 where it has none; of the type of `like`."""
    rows, columns = (
        (torch.arange(-(-side // 2), device=like.device) < side // 2).to(like)[part]
        for side, part in zip(size, window, strict=True)
    )
    both = rows[:, None] * columns
    return torch.stack([columns.expand_as(both), rows[:, None].expand_as(both), both])


def smooth_details(means: Float[Tensor, "b c p q"]) -> Float[Tensor, "b d p q"]:
    """The details of an image that rises evenly from each mean to the next.

    What a 3 x 3 neighbourhood tells of slopes (the S + P transform's predictor, Said and Pearlman 1996, in two dimensions).
    """
    s = F.pad(means, (1, 1, 1, 1), mode="replicate")
    horizontal = (s[:, :, 1:-1, :-2] - s[:, :, 1:-1, 2:]) / 4
    vertical = (s[:, :, :-2, 1:-1] - s[:, :, 2:, 1:-1]) / 4
    diagonal = (s[:, :, :-2, :-2] - s[:, :, :-2, 2:] - s[:, :, 2:, :-2] + s[:, :, 2:, 2:]) / 16
    return torch.cat([horizontal, vertical, diagonal], 1)


# Rows and columns from which a mean and its details take their places in the quantum.
_CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


def _places(inside: Float[Tensor, "b c h w"]) -> list[Tensor]:
    """The places of the mean, horizontal, vertical and diagonal details, zero where there is none."""
    corners = [inside[:, :, top::2, left::2] for top, left in _CORNERS]
    return [_padded(corner, corners[0].shape[2:]) for corner in corners]


def _split_last(x: Tensor) -> tuple[Tensor, Tensor]:
    pairs = x.shape[-1] // 2
    even, odd = x[..., 0 : 2 * pairs : 2], x[..., 1 : 2 * pairs : 2]
    mean = torch.floor((even + odd) / 2)
    return torch.cat([mean, x[..., 2 * pairs :]], -1), even - odd


def _split_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    low, high = _split_last(x.transpose(2, 3))
    return low.transpose(2, 3), high.transpose(2, 3)


def _join_last(mean: Tensor, difference: Tensor, length: int) -> Tensor:
    pairs = length // 2
    even = mean[..., :pairs] + torch.floor((difference + 1) / 2)
    both = torch.stack([even, even - difference], -1)
    return torch.cat([both.flatten(-2), mean[..., pairs:]], -1)


def _join_rows(mean: Tensor, difference: Tensor, length: int) -> Tensor:
    return _join_last(mean.transpose(2, 3), difference.transpose(2, 3), length).transpose(2, 3)


def _padded(part: Tensor, size: torch.Size) -> Tensor:
    return F.pad(part, (0, size[1] - part.shape[3], 0, size[0] - part.shape[2]))
