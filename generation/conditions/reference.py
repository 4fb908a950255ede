"""References: the style of a picture as one token (mean and deviation of its semantic latent), beside a label.

The layout of a reference acts through guidance (`UltraPixelPipeline`, `reference=`); this is its style alone.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from .label import LabelConditioner
from .tokens import Conditions

TOKEN_PIXELS = 1024 * 1024  # a larger picture is reduced first: the memory of stage A grows with its pixels
TOKEN_SIDE = 64  # a smaller one is enlarged: a deviation needs several places


class ReferenceConditioner(nn.Module):
    """Conditions on labels, and on the style of a reference picture.

    Arguments:
        labels: of what may be requested by name; its picture token has twice the latent's channels.
        encoder: pictures in 0..1 to semantic latents.
    """

    def __init__(self, labels: LabelConditioner, encoder: nn.Module) -> None:
        super().__init__()
        self.label, self.encoder = labels, encoder

    @torch.no_grad()
    def forward(self, prompts: list[Any]) -> Conditions:
        """Tokens for labels, pictures `[3, h, w]` in 0..1, pairs of both, or None. Raises: UsageError."""
        pairs = [
            prompt if isinstance(prompt, tuple) else (None, prompt) if isinstance(prompt, Tensor) else (prompt, None)
            for prompt in prompts
        ]
        named = self.label([label for label, _ in pairs])
        tokens = [self._token(picture, named.pooled) for _, picture in pairs]
        return Conditions(named.pooled, named.text, torch.stack(tokens))

    def _token(self, picture: Tensor | None, like: Tensor) -> Tensor:
        if picture is None:
            return like.new_zeros(1, self.label.picture)
        return picture_token(self.encoder(_sized(picture[None]).to(like)))[0]


def picture_token(latent: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 1 _d"]:
    """The picture token of semantic latents: mean and standard deviation of each channel."""
    return torch.cat([latent.mean((2, 3)), latent.std((2, 3))], dim=1)[:, None]


def _sized(pictures: Float[Tensor, "b 3 _h _w"]) -> Float[Tensor, "b 3 _h2 _w2"]:
    """Resize to at most `TOKEN_PIXELS` with even sides of at least `TOKEN_SIDE`: stage A begins with patches of 2 x 2."""
    height, width = pictures.shape[2:]
    factor = min((TOKEN_PIXELS / (height * width)) ** 0.5, 1)
    size = [max(2 * int(side * factor / 2), TOKEN_SIDE) for side in (height, width)]
    return pictures if size == [height, width] else interpolate(pictures, size=size, mode="area")
