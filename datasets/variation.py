"""Training pictures varied as cameras and their owners vary them: turned, mirrored, with another tone.

There are few photographs whose licence lets weights ship, and a network learns five of them by heart.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

TONE_DRAWS = 6


def turned(
    x: Float[Tensor, "b c s s"], turn: Float[Tensor, "b"], mirror: Float[Tensor, "b"]
) -> Float[Tensor, "b c s s"]:
    """Turn squares by quarter turns, and mirror them in one of two cases; `turn` and `mirror` are draws in 0..1."""
    quarters = (4 * turn).long()
    x = torch.where(_spread(quarters % 2 == 1), x.transpose(2, 3).flip(2), x)
    x = torch.where(_spread(quarters >= 2), x.flip((2, 3)), x)
    return torch.where(_spread(mirror < 0.5), x.flip(3), x)


def toned(x: Float[Tensor, "b c h w"], highest: float, draws: Float[Tensor, "b 6"]) -> Float[Tensor, "b c h w"]:
    """Vary contrast, brightness, saturation and white balance. May leave 0..highest.

    Arguments:
        draws: numbers in 0..1 for each picture: gamma, gain, saturation, and a gain for each channel.
    """
    gamma, gain = torch.exp(0.8 * (draws[:, 0] - 0.5)), torch.exp(0.6 * (draws[:, 1] - 0.7))
    x = highest * _spread(gain) * (x / highest) ** _spread(gamma)
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * _spread(0.1 + 1.3 * draws[:, 2])
    return x * torch.exp(0.3 * (draws[:, 3 : 3 + x.shape[1]] - 0.5))[:, :, None, None]


def _spread(values: Shaped[Tensor, "b"]) -> Shaped[Tensor, "b 1 1 1"]:
    return values[:, None, None, None]
