"""Stage B's part of sampling: from the semantic latent to stage A's.

With a learned encoder (as published) stage B makes the whole latent. With a projection (`ComponentEncoder`) it is shown the
coarse latent that the semantic one fixes, and makes what is left.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from .conditions.tokens import Conditions
from .sizes import Geometry, Grid
from .stages.components import ComponentEncoder
from .stages.unet import CascadeUNet


class Decoder:
    """Stage B as a denoiser, given the semantic latent to decode.

    Arguments:
        b: stage B.
        encoder: the semantic encoder, or None.
        semantic: what is to be decoded.
    """

    def __init__(self, b: CascadeUNet, encoder: Any, semantic: Float[Tensor, "b _k _p _q"]) -> None:
        self.b, self.semantic = b, semantic
        self.split = encoder if isinstance(encoder, ComponentEncoder) else None
        self.coarse = None if self.split is None else self.split.coarse(semantic)

    def grid(self, geometry: Geometry, size: Grid) -> Grid:
        """The grid of stage B's output for a picture of this size."""
        if self.coarse is None:
            return geometry.latent(size)
        return self.coarse.shape[2], self.coarse.shape[3]

    def predict_noise(self, x: Tensor, t: Tensor, conditions: Conditions) -> Tensor:
        """e_hat(x_t) of stage B. A half without conditions gets no semantic latent either."""
        has_halves = len(x) != len(self.semantic)
        shown = torch.cat([self.semantic, torch.zeros_like(self.semantic)]) if has_halves else self.semantic
        coarse = self.coarse.repeat(2, 1, 1, 1) if has_halves and self.coarse is not None else self.coarse
        return self.b.predict_noise(x, t, pooled=conditions.pooled, semantic=shown, coarse=coarse)

    def latent(self, output: Float[Tensor, "b _c _h _w"]) -> Float[Tensor, "b _c _h _w"]:
        """Stage A's latent from the output of stage B."""
        return output if self.split is None else self.split.joined(self.semantic, output)
