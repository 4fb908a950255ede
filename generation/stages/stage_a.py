"""Stage A: pictures in a latent of a quarter of their size, and back. Diffusers' `PaellaVQModel`; our part is exact tiling.

Latents leave `encode` divided by the scale factor and enter `decode` multiplied by it; they are decoded unquantised. The
decoder is made of local operations only, so a tile decoded with a margin of its receptive field (13 latents at the published
depth) has the very pixels of the whole: memory stays flat, and the work grows by ((tile + 2 margin) / tile)^2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from oddpixel.errors import UsageError

try:
    from diffusers.pipelines.deprecated.wuerstchen.modeling_paella_vq_model import PaellaVQModel
except ImportError:  # it lies among diffusers' deprecated parts, and may go
    from .paella import PaellaVQModel

TILE = 128  # latents


@dataclass(frozen=True, kw_only=True)
class StageAOptions:
    """Architecture of stage A.

    Arguments:
        levels: of which each but the first halves; one halving more comes from the pixel unshuffle.
        hidden: width of the lowest level.
        blocks: of the bottleneck, in the decoder.
        codes: of the codebook.
        scale_factor: of the latent.
    """

    levels: int = 2
    hidden: int = 384
    blocks: int = 12
    latent: int = 4
    codes: int = 8192
    scale_factor: float = 0.43

    @property
    def reduction(self) -> int:
        """Pixels a place of the latent, along a side."""
        return int(2**self.levels)

    @property
    def margin(self) -> int:
        """Radius of the decoder's receptive field, in latents."""
        reach = 1  # the last block
        for level in reversed(range(self.levels - 1)):
            # A transposed convolution of 4 by 2 makes output o of inputs (o - 2) / 2 to (o + 1) / 2.
            reach = (reach + 2) // 2 + (self.blocks if level == 0 else 1)
        return reach if self.levels > 1 else self.blocks


class StageA(nn.Module):
    """The autoencoder between pictures and the image latent."""

    def __init__(self, options: StageAOptions) -> None:
        super().__init__()
        self.options = options
        self.network = PaellaVQModel(
            levels=options.levels,
            bottleneck_blocks=options.blocks,
            embed_dim=options.hidden,
            latent_channels=options.latent,
            num_vq_embeddings=options.codes,
            scale_factor=options.scale_factor,
        )

    def encode(self, pictures: Float[Tensor, "b 3 _h _w"]) -> Float[Tensor, "b _c _p _q"]:
        """The latent of pictures in 0..1; their sides are multiples of `options.reduction`."""
        return self._raw(pictures) / self.options.scale_factor

    def quantise(
        self, pictures: Float[Tensor, "b 3 _h _w"]
    ) -> tuple[Float[Tensor, "b _c _p _q"], Int[Tensor, "b _p _q"], Float[Tensor, ""]]:
        """Quantised latent, codes, and the loss of the codebook: |q - sg z|^2 + 0.25 |sg q - z|^2."""
        raw = self._raw(pictures)
        quantised, loss, (_, _, codes) = self.network.vquantizer(raw)
        shape = (len(raw), *raw.shape[2:])
        return quantised / self.options.scale_factor, codes.view(shape), loss

    def decode(self, latent: Float[Tensor, "b _c p q"]) -> Float[Tensor, "b 3 _h _w"]:
        """Pictures of a latent, about 0..1, not clamped."""
        decoded: Tensor = self.network.decode(latent * self.options.scale_factor).sample
        return decoded

    def decode_tiled(
        self, latent: Float[Tensor, "b _c p q"], tile: int = TILE, margin: int | None = None
    ) -> Float[Tensor, "b 3 _h _w"]:
        """Decode tile by tile: the same picture as `decode`, in flat memory.

        Raises: UsageError where a tile has no latent.

        Raises: UsageError where a tile is no longer than nothing.
        """
        if tile < 1:
            raise UsageError(f"a tile needs at least one latent, got {tile}")
        margin = self.options.margin if margin is None else margin
        factor = self.options.reduction
        height, width = latent.shape[2:]
        picture = latent.new_empty(len(latent), 3, factor * height, factor * width)
        for (top, bottom), (left, right) in _tiles(height, width, tile):
            first_row, first_column = max(top - margin, 0), max(left - margin, 0)
            part = latent[:, :, first_row : bottom + margin, first_column : right + margin]
            decoded = self.decode(part)
            rows = slice(factor * (top - first_row), factor * (bottom - first_row))
            columns = slice(factor * (left - first_column), factor * (right - first_column))
            picture[:, :, factor * top : factor * bottom, factor * left : factor * right] = decoded[:, :, rows, columns]
        return picture

    @torch.no_grad()
    def standardise(self, latent: Float[Tensor, "b _c _p _q"]) -> None:
        """Give latents of such pictures mean 0 and deviation 1 in each channel; decoded pictures do not change.

        The affine map goes into the encoder's last normalisation, the decoder's first convolution and the codebook, so the
        network keeps its published form. Stages B and C add noise of unit deviation: latents of another one spoil them.

        Arguments:
            latent: as `encode` gives it, of many pictures.
        """
        network, scale = self.network, self.options.scale_factor
        mean, deviation = latent.mean((0, 2, 3)), latent.std((0, 2, 3))
        norm = last_normalisation(network)
        norm.weight.div_(deviation)
        norm.bias.sub_(scale * mean).div_(deviation)
        first = network.up_blocks[0][0]
        first.bias.add_((first.weight[:, :, 0, 0] * (scale * mean)).sum(1))
        first.weight.mul_(deviation[None, :, None, None])
        codes = network.vquantizer.embedding.weight
        codes.sub_(scale * mean).div_(deviation)

    def _raw(self, pictures: Tensor) -> Tensor:
        latents: Tensor = self.network.encode(pictures).latents
        return latents


def last_normalisation(network: nn.Module) -> nn.BatchNorm2d:
    """The batch normalisation that the encoder ends with."""
    norms = [module for module in cast(Any, network).down_blocks.modules() if isinstance(module, nn.BatchNorm2d)]
    return norms[-1]


def work_ratio(height: int, width: int, tile: int, margin: int) -> float:
    """Latents decoded in tiles with their margins, over latents of the whole."""
    work = sum(
        (min(bottom + margin, height) - max(top - margin, 0)) * (min(right + margin, width) - max(left - margin, 0))
        for (top, bottom), (left, right) in _tiles(height, width, tile)
    )
    return work / (height * width)


def _tiles(height: int, width: int, tile: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            yield (top, min(top + tile, height)), (left, min(left + tile, width))


@torch.no_grad()
def receptive_margin(stage: StageA) -> int:
    """Measure the receptive field: how far from its place a changed latent changes pixels."""
    side = 2 * stage.options.margin + 9
    middle = side // 2
    latent = torch.zeros(1, stage.options.latent, side, side, dtype=torch.float64)
    changed = latent.clone()
    changed[:, :, middle, middle] = 1.0
    network = stage.double()
    rows = (network.decode(changed) - network.decode(latent)).abs().amax((0, 1, 3)).nonzero().flatten()
    stage.float()
    return int(
        max(middle - int(rows.min()) // stage.options.reduction, int(rows.max()) // stage.options.reduction - middle)
    )
