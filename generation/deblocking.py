"""Steps between the blocks of a picture's semantic places are taken out where nothing else explains them.

A projection gives every place of the semantic latent a block of its own, so that errors of stage C, which differ from place to
place, end at the blocks' borders: even regions show a grid. A step across a border counts as such an error the less, the larger
it is; it is levelled over half a block on both sides, as the deblocking filters of video codecs do (List et al. 2003), and
what the picture does on both sides by itself is no step.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

LEAST_REAL = 8 / 255  # a step of this size is an error with weight 1/e
STRIP = 3  # pixels on each side over which a border is judged


def deblocked(pictures: Float[Tensor, "b 3 _h _w"], block: int) -> Float[Tensor, "b 3 _h _w"]:
    """Pictures in 0..1 without small steps at multiples of `block` pixels; pixels beyond the last whole block stay."""
    height, width = (length // block * block for length in pictures.shape[2:])
    whole = _across(pictures[:, :, :height, :width], block)
    answer = pictures.clone()
    answer[:, :, :height, :width] = _across(whole.transpose(2, 3), block).transpose(2, 3)
    return answer


def _across(x: Float[Tensor, "b 3 _h _w"], block: int) -> Float[Tensor, "b 3 _h _w"]:
    """Level the steps between columns of blocks."""
    half = block // 2
    if x.shape[2] < block or x.shape[3] < 2 * block:
        return x
    # One row of pixels about each border: `half` on its left, `half` on its right.
    about = x[..., half : x.shape[3] - half].unflatten(3, (-1, block))
    far_left, left, right, far_right = (
        about[..., half + start : half + start + STRIP].mean(4) for start in (-2 * STRIP, -STRIP, 0, STRIP)
    )
    slope = (left - far_left + far_right - right) / 2
    step = avg_pool2d(right - left - slope, (block, 1))
    step = step * torch.exp(-(step.abs().amax(1, keepdim=True) / LEAST_REAL).square())
    along = interpolate(step, size=(x.shape[2], step.shape[3]), mode="bilinear")
    rising = (torch.arange(half, dtype=x.dtype, device=x.device) + 0.5) / half
    ramp = torch.cat([rising, -rising.flip(0)]) / 2
    answer = x.clone()
    answer[..., half : x.shape[3] - half] = (about + along[..., None] * ramp).flatten(3)
    return answer
