"""Scale-aware normalisation: features of any size, modulated by how large they are.

    y = x (1 + a) + b + x,   (a, b) = Linear(emb(s)),   s = sqrt(log_576(h w))

s is 1 on the base grid of 24 x 24. UltraPixel (Ren et al. 2024, section 3.3). The published weights hold two convolutions more,
`alpha` and `gamma`, that never reach the output: they are not built, and left out on loading.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..stages.unet import time_embedding
from .scale_shift import ScaleShift

BASE_TOKENS = 576
UNUSED = ("hr_norm.alpha.", "hr_norm.gamma.")


class ScaleAwareNorm(nn.Module):
    """Scales and shifts features by an embedding of their grid size."""

    def __init__(self, width: int, embedding: int = 64) -> None:
        super().__init__()
        self.embedding = embedding
        self.mapping = ScaleShift(width, embedding)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """y = x (1 + a) + b + x, with a and b from the scale of the grid."""
        scale = torch.full((len(x),), scale_of(*x.shape[2:]), device=x.device)
        result: Float[Tensor, "b c h w"] = self.mapping(x, time_embedding(scale, self.embedding)) + x
        return result


def scale_of(height: int, width: int) -> float:
    """s = sqrt(log_576(h w)): 1 on a grid of 24 x 24."""
    return math.sqrt(math.log(height * width) / math.log(BASE_TOKENS))
