"""A small picture straight from stage C's latent, eight times its size: for progress, not for keeping."""

from __future__ import annotations

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn


class Previewer(nn.Module):
    """A small decoder for previews; names and shapes are those of the published network."""

    def __init__(self, channels: int = 16, hidden: int = 512) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_block(nn.Conv2d(channels, hidden, 1), hidden)]
        layers += _block(nn.Conv2d(hidden, hidden, 3, padding=1), hidden)
        widths = (hidden, hidden // 2, hidden // 4, hidden // 4)
        for width, narrower in pairwise(widths):
            layers += _block(nn.ConvTranspose2d(width, narrower, 2, stride=2), narrower)
            layers += _block(nn.Conv2d(narrower, narrower, 3, padding=1), narrower)
        layers.append(nn.Conv2d(widths[-1], 3, 1))
        self.blocks = nn.Sequential(*layers)

    def forward(self, latent: Float[Tensor, "b c h w"]) -> Float[Tensor, "b 3 _h _w"]:
        """Preview pictures in 0..1, eight times the latent's size."""
        picture: Tensor = self.blocks(latent)
        return picture


def _block(layer: nn.Module, width: int) -> tuple[nn.Module, ...]:
    return layer, nn.GELU(), nn.BatchNorm2d(width)
