"""A semantic encoder small enough to be trained here: four halvings, a residual block after each, 16 channels, normalised."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

WIDTHS = (24, 48, 96, 128)


class SmallSemanticEncoder(nn.Module):
    """Arguments:
    channels: of the latent.
    """

    reduction = 2 ** len(WIDTHS)

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inner = 3
        for width in WIDTHS:
            layers += [nn.Conv2d(inner, width, 4, stride=2, padding=1), Residual(width)]
            inner = width
        self.body = nn.Sequential(*layers)
        self.mapper = nn.Sequential(nn.Conv2d(inner, channels, 1, bias=False), nn.BatchNorm2d(channels, affine=False))

    def forward(self, pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b _c _p _q"]:
        latent: Tensor = self.mapper(self.body(2 * pictures - 1))
        return latent


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.GroupNorm(8, width),
            nn.Conv2d(width, width, 3, padding=1, groups=width),
            nn.Conv2d(width, 2 * width, 1),
            nn.GELU(),
            nn.Conv2d(2 * width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)
