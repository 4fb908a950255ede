"""Stage A's network, for versions of diffusers without their own: the same names, the same numbers.

Blocks of depthwise and channelwise mixing with six gains each; Paella (Rampas et al. 2022, section 3.1).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Encoded(NamedTuple):
    """Output of `PaellaVQModel.encode`: latents before quantisation."""

    latents: Tensor


class Decoded(NamedTuple):
    """Output of `PaellaVQModel.decode`: pictures."""

    sample: Tensor


class MixingBlock(nn.Module):
    """x + g2 depthwise(g0, g1 of norm x), then + g5 channelwise(g3, g4 of norm x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.depthwise = nn.Sequential(nn.ReplicationPad2d(1), nn.Conv2d(width, width, 3, groups=width))
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.channelwise = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.gammas = nn.Parameter(torch.zeros(6))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Depthwise, then channelwise mixing, each added to x."""
        g = self.gammas
        mixed = self.norm1(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) * (1 + g[0]) + g[1]
        x = x + self.depthwise(mixed) * g[2]
        mixed = self.norm2(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) * (1 + g[3]) + g[4]
        result: Float[Tensor, "b c h w"] = x + self.channelwise(mixed.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) * g[5]
        return result


class Codebook(nn.Module):
    """Vector quantisation to the nearest of learned codes."""

    def __init__(self, codes: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(codes, width)
        nn.init.uniform_(self.embedding.weight, -1 / codes, 1 / codes)

    def forward(self, z: Float[Tensor, "b c h w"]) -> tuple[Tensor, Tensor, tuple[None, None, Tensor]]:
        """Quantised latents with straight-through gradients, the codebook loss, and the codes of all places."""
        flat = z.permute(0, 2, 3, 1).reshape(-1, z.shape[1])
        codes = torch.cdist(flat, self.embedding.weight).argmin(1)
        nearest = self.embedding(codes).view(len(z), *z.shape[2:], z.shape[1]).permute(0, 3, 1, 2).contiguous()
        loss = (nearest - z.detach()).square().mean() + 0.25 * (nearest.detach() - z).square().mean()
        return z + (nearest - z).detach(), loss, (None, None, codes)


class PaellaVQModel(nn.Module):
    """The vector-quantised autoencoder of stage A; arguments are those of diffusers' class of this name."""

    def __init__(
        self,
        *,
        levels: int,
        bottleneck_blocks: int,
        embed_dim: int,
        latent_channels: int,
        num_vq_embeddings: int,
        scale_factor: float,
    ) -> None:
        super().__init__()
        widths = [embed_dim // 2**level for level in reversed(range(levels))]
        self.in_block = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, widths[0], 1))
        down: list[nn.Module] = []
        for level, width in enumerate(widths):
            if level:
                down.append(nn.Conv2d(widths[level - 1], width, 4, stride=2, padding=1))
            down.append(MixingBlock(width))
        down.append(
            nn.Sequential(nn.Conv2d(widths[-1], latent_channels, 1, bias=False), nn.BatchNorm2d(latent_channels))
        )
        self.down_blocks = nn.Sequential(*down)
        self.vquantizer = Codebook(num_vq_embeddings, latent_channels)
        up: list[nn.Module] = [nn.Sequential(nn.Conv2d(latent_channels, widths[-1], 1))]
        for level, width in enumerate(reversed(widths)):
            up += [MixingBlock(width) for _ in range(bottleneck_blocks if level == 0 else 1)]
            if level < levels - 1:
                up.append(nn.ConvTranspose2d(width, widths[-2 - level], 4, stride=2, padding=1))
        self.up_blocks = nn.Sequential(*up)
        self.out_block = nn.Sequential(nn.Conv2d(widths[0], 12, 1), nn.PixelShuffle(2))

    def encode(self, x: Tensor) -> Encoded:
        """Latents of pictures in 0..1, not quantised."""
        return Encoded(self.down_blocks(self.in_block(x)))

    def decode(self, h: Tensor) -> Decoded:
        """Pictures about 0..1 from latents."""
        return Decoded(self.out_block(self.up_blocks(h)))
