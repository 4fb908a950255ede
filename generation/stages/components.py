"""The semantic latent as a projection: principal components of blocks of stage A's latent, and what they leave to stage B.

    z = stage A's latent, in blocks of side x side, each channel times the gain that it has in pixels
    s = W z / scale,   W W^T = 1
    z = W^T (scale s) + r,   W r = 0

So s fixes the coarse part of the picture linearly, and r is all that stage B has to make: a stage B that knows nothing yet is as
good as the linear decoder, and none can contradict s. Latents have unit deviation in each channel; without the gains components
would be spent on faint colours and grain as if they were as strong as brightness.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .stage_a import StageA

MOST_BLOCKS = 200_000


class ComponentEncoder(nn.Module):
    """A linear semantic encoder: principal components of stage A's latent.

    Arguments:
        stage: whose latent is projected. It is not a part of this module's state, but moves with it.
        channels: of the semantic latent.
        side: of a block.
    """

    weight: Float[Tensor, "k c s s"]
    scale: Float[Tensor, "k"]
    deviation: Float[Tensor, "c"]
    gain: Float[Tensor, "c"]

    def __init__(self, stage: StageA, channels: int = 16, side: int = 4) -> None:
        super().__init__()
        self._stage = (stage,)
        self.side = side
        latent = stage.options.latent
        self.register_buffer("weight", torch.eye(latent * side * side)[:channels].reshape(channels, latent, side, side))
        self.register_buffer("scale", torch.ones(channels))
        self.register_buffer("deviation", torch.ones(latent))
        self.register_buffer("gain", torch.ones(latent))

    @property
    def stage(self) -> StageA:
        """The stage A whose latent is projected."""
        return self._stage[0]

    @property
    def reduction(self) -> int:
        """Pixels a place of the semantic latent, along a side."""
        return self.stage.options.reduction * self.side

    @torch.no_grad()
    def fit(self, latent: Float[Tensor, "b _c _h _w"], gain: Float[Tensor, "_c"]) -> None:
        """Fit components, their deviations, and the residual's deviation in each channel, to latents of stage A.

        Arguments:
            gain: of each channel in pixels.
        """
        self.gain.copy_(gain)
        blocks = self._weighted(latent).unfold(2, self.side, self.side).unfold(3, self.side, self.side)
        blocks = blocks.permute(0, 2, 3, 1, 4, 5).reshape(-1, self.weight[0].numel())
        chosen = blocks[torch.randperm(len(blocks), generator=torch.Generator().manual_seed(0))[:MOST_BLOCKS]]
        _, _, v = torch.linalg.svd(chosen, full_matrices=False)
        v = v[: len(self.weight)]
        self.weight.copy_(v.reshape(self.weight.shape))
        self.scale.copy_((blocks @ v.T).std(0))
        self.deviation.copy_((latent - self.coarse(self.semantic(latent))).std((0, 2, 3)))

    def forward(self, pictures: Float[Tensor, "b 3 _h _w"]) -> Float[Tensor, "b _k _p _q"]:
        """The semantic latent of pictures in 0..1; their sides are multiples of `reduction`."""
        return self.semantic(self.stage.encode(pictures))

    def semantic(self, latent: Float[Tensor, "b _c _h _w"]) -> Float[Tensor, "b _k _p _q"]:
        """Project stage A's latent on the components, in units of their deviations."""
        return F.conv2d(self._weighted(latent), self.weight, stride=self.side) / self.scale[:, None, None]

    def coarse(self, semantic: Float[Tensor, "b _k _p _q"]) -> Float[Tensor, "b _c _h _w"]:
        """The part of stage A's latent that a semantic latent fixes."""
        weighted = F.conv_transpose2d(semantic * self.scale[:, None, None], self.weight, stride=self.side)
        return weighted / self.gain[:, None, None]

    def residual(self, latent: Float[Tensor, "b _c _h _w"]) -> Float[Tensor, "b _c _h _w"]:
        """What the components leave of stage A's latent, in units of its deviation."""
        return (latent - self.coarse(self.semantic(latent))) / self.deviation[:, None, None]

    def joined(
        self, semantic: Float[Tensor, "b _k _p _q"], residual: Float[Tensor, "b _c _h _w"]
    ) -> Float[Tensor, "b _c _h _w"]:
        """Stage A's latent from both parts; whatever in `residual` would contradict `semantic` is projected out."""
        rest = residual * self.deviation[:, None, None]
        return self.coarse(semantic) + rest - self.coarse(self.semantic(rest))

    def _weighted(self, latent: Tensor) -> Tensor:
        return latent * self.gain[:, None, None]

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> ComponentEncoder:
        self.stage._apply(fn, recurse)  # type: ignore[no-untyped-call]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self
