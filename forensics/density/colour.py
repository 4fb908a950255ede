"""Colour as brightness and two differences: an orthonormal change of the three channels, so densities stay as they are.

    brightness = (r + g + b) / sqrt 3,    (r - b) / sqrt 2,    (r - 2 g + b) / sqrt 6

In photographs the three are nearly uncorrelated, and the differences vary by a tenth of what brightness does.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

_ROTATION = torch.tensor([[1, 1, 1], [1, 0, -1], [1, -2, 1]], dtype=torch.float64)
_ROTATION = _ROTATION / _ROTATION.norm(dim=1, keepdim=True)


def to_opponent(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Three channels turned; one stays as it is."""
    return x if x.shape[1] == 1 else torch.einsum("ij,bjhw->bihw", _ROTATION.to(x), x)


def from_opponent(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Inverse of `to_opponent`: back to red, green and blue; one channel stays as it is."""
    return x if x.shape[1] == 1 else torch.einsum("ji,bjhw->bihw", _ROTATION.to(x), x)


def middle(channels: int) -> Float[Tensor, "c"]:
    """Grey of level 128."""
    return torch.tensor([128.0]) if channels == 1 else torch.tensor([128 * math.sqrt(3), 0.0, 0.0])


def spread(channels: int) -> Float[Tensor, "c"]:
    """About the standard deviation of photographs, in grey levels."""
    return torch.tensor([64.0]) if channels == 1 else torch.tensor([110.0, 26.0, 11.0])
