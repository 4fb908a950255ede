"""The semantic encoder: pictures to stage C's latent. EfficientNetV2-S, a 1 x 1 convolution to 16 channels, and normalisation.

EfficientNetV2 (Tan, Le 2021, table 4): three stages of fused blocks, three with depthwise convolutions and squeeze-excitation.
Names are those of the published weights.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
REDUCTION = 32


@runtime_checkable
class SemanticEncoder(Protocol):
    """Maps pictures in 0..1 to stage C's latent."""

    @property
    def reduction(self) -> int:
        """Pixels a place of the latent, along a side."""

    def __call__(self, pictures: Tensor) -> Tensor:
        """Encode `[b, 3, h, w]` to `[b, c, h / reduction, w / reduction]`."""


class Level(NamedTuple):
    """Blocks of one resolution in EfficientNetV2."""

    fused: bool
    expansion: int
    stride: int
    width: int
    blocks: int


LEVELS = (
    Level(True, 1, 1, 24, 2),
    Level(True, 4, 2, 48, 4),
    Level(True, 4, 2, 64, 4),
    Level(False, 4, 2, 128, 6),
    Level(False, 6, 1, 160, 9),
    Level(False, 6, 2, 256, 15),
)
STEM, HEAD = 24, 1280


class EfficientNetEncoder(nn.Module):
    """The published semantic encoder.

    Arguments:
        channels: of the latent.
    """

    reduction = REDUCTION

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        parts: list[nn.Module] = [_conv(3, STEM, 3, stride=2)]
        width = STEM
        for level in LEVELS:
            block = FusedBlock if level.fused else SqueezedBlock
            blocks = []
            for index in range(level.blocks):
                blocks.append(block(width, level.width, level.expansion, level.stride if index == 0 else 1))
                width = level.width
            parts.append(nn.Sequential(*blocks))
        parts.append(_conv(width, HEAD, 1))
        self.backbone = nn.Sequential(*parts)
        self.mapper = nn.Sequential(nn.Conv2d(HEAD, channels, 1, bias=False), nn.BatchNorm2d(channels, affine=False))

    def forward(self, pictures: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b _c _p _q"]:
        """The semantic latent of pictures in 0..1; sides are rounded up to multiples of 32."""
        mean, deviation = (pictures.new_tensor(values)[:, None, None] for values in (MEAN, DEVIATION))
        return self.latent((pictures - mean) / deviation)

    def latent(self, standardised: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b _c _p _q"]:
        """The semantic latent of pictures standardised by ImageNet's mean and deviation."""
        latent: Tensor = self.mapper(self.backbone(standardised))
        return latent


class FusedBlock(nn.Module):
    """Fused MBConv: an expanding 3 x 3 convolution, then a 1 x 1 projection."""

    def __init__(self, inner: int, outer: int, expansion: int, stride: int) -> None:
        super().__init__()
        self.is_residual = stride == 1 and inner == outer
        wide = inner * expansion
        layers = (
            [_conv(inner, outer, 3, stride=stride)]
            if expansion == 1
            else [_conv(inner, wide, 3, stride=stride), _conv(wide, outer, 1, activated=False)]
        )
        self.block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """The block's output; added to x where the shapes agree."""
        changed: Tensor = self.block(x)
        return x + changed if self.is_residual else changed


class SqueezedBlock(nn.Module):
    """MBConv: expansion, depthwise convolution, squeeze-excitation, projection."""

    def __init__(self, inner: int, outer: int, expansion: int, stride: int) -> None:
        super().__init__()
        self.is_residual = stride == 1 and inner == outer
        wide = inner * expansion
        self.block = nn.Sequential(
            _conv(inner, wide, 1),
            _conv(wide, wide, 3, stride=stride, groups=wide),
            SqueezeExcitation(wide, max(inner // 4, 1)),
            _conv(wide, outer, 1, activated=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """The block's output; added to x where the shapes agree."""
        changed: Tensor = self.block(x)
        return x + changed if self.is_residual else changed


class SqueezeExcitation(nn.Module):
    """Channel gates from the mean over places (Hu et al. 2018)."""

    def __init__(self, width: int, narrow: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(width, narrow, 1), nn.Conv2d(narrow, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """x, times a gate in 0..1 for each channel."""
        squeezed = nn.functional.silu(self.fc1(x.mean((2, 3), keepdim=True)))
        result: Tensor = x * self.fc2(squeezed).sigmoid()
        return result


def _conv(
    inner: int, outer: int, kernel: int, *, stride: int = 1, groups: int = 1, activated: bool = True
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(inner, outer, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outer, eps=1e-3),
    ]
    return nn.Sequential(*layers, nn.SiLU()) if activated else nn.Sequential(*layers)
