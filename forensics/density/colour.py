"""Colour as brightness and two differences, in whole numbers: YCoCg-R (Malvar and Sullivan 2003), one to one.

    co = r - b,    t = b + floor(co / 2),    cg = g - t,    y = t + floor(cg / 2)

In photographs the three are nearly uncorrelated, and the differences vary by a third of what brightness does. Samples are whole
numbers of quanta plus a place within one, which goes along (`haar`).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def to_opponent(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Red, green and blue to brightness, orange and green; one channel stays as it is."""
    if x.shape[1] == 1:
        return x
    whole = x.floor()
    red, green, blue = whole.unbind(1)
    orange = red - blue
    middle = blue + torch.floor(orange / 2)
    greenness = green - middle
    return torch.stack([middle + torch.floor(greenness / 2), orange, greenness], 1) + (x - whole)


def from_opponent(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Inverse of `to_opponent`: back to red, green and blue; one channel stays as it is."""
    if x.shape[1] == 1:
        return x
    whole = x.floor()
    brightness, orange, greenness = whole.unbind(1)
    middle = brightness - torch.floor(greenness / 2)
    blue = middle - torch.floor(orange / 2)
    return torch.stack([blue + orange, greenness + middle, blue], 1) + (x - whole)


def middle(channels: int) -> Float[Tensor, "c"]:
    """Grey of level 128."""
    return torch.tensor([128.0, 0.0, 0.0][:channels])


def spread(channels: int) -> Float[Tensor, "c"]:
    """About the standard deviation of photographs, in grey levels."""
    return torch.tensor([64.0, 37.0, 18.0][:channels])
