"""Stage B: noise in the image latent (4 channels, 1/4 of the picture), shown stage C's latent at its own finest grid.

Four levels of halving resolution, attention in the two coarse ones; the bilinear way up meets skips of any size.
Stable Cascade (Pernias et al. 2024); sizes of the two published models.
"""

from __future__ import annotations

from dataclasses import dataclass

from .unet import CascadeUNet, Parametrisation

PARTS = {"C": "SDCascadeResBlock", "T": "SDCascadeTimestepBlock", "A": "SDCascadeAttnBlock"}


@dataclass(frozen=True, kw_only=True)
class StageBOptions:
    """Architecture of stage B.

    Arguments:
        heads: of attention; -1 at levels without.
        blocks: kinds of block a level is made of: C(onvolution), T(ime), A(ttention).
        repeats: how often the blocks of a level are gone through on the way up, from the lowest level.
        semantic: channels of stage C's latent.
        coarse: channels of a condition at the grid of the image latent, joined to the noisy latent; 0 as published.
        parametrisation: what the network's output is, see `CascadeUNet`.
    """

    channels: int = 4
    patch: int = 2
    widths: tuple[int, ...] = (320, 640, 1280, 1280)
    heads: tuple[int, ...] = (-1, -1, 20, 20)
    blocks: tuple[str, ...] = ("CT", "CT", "CTA", "CTA")
    down: tuple[int, ...] = (2, 6, 28, 6)
    up: tuple[int, ...] = (6, 28, 6, 2)
    repeats: tuple[int, ...] = (3, 3, 2, 2)
    condition: int = 1280
    pooled: int = 1280
    semantic: int = 16
    pixels: int = 3
    coarse: int = 0
    parametrisation: Parametrisation = "noise"
    dropout: float = 0.0


LARGE = StageBOptions()
LITE = StageBOptions(
    widths=(320, 576, 1152, 1152), heads=(-1, 9, 18, 18), down=(2, 4, 14, 4), up=(4, 14, 4, 2), repeats=(2, 2, 2, 2)
)


def build_stage_b(options: StageBOptions) -> CascadeUNet:
    """Build stage B with fresh weights."""
    levels = len(options.widths)
    unet = CascadeUNet(
        in_channels=options.channels + options.coarse,
        out_channels=options.channels,
        patch_size=options.patch,
        conditioning_dim=options.condition,
        block_out_channels=options.widths,
        num_attention_heads=options.heads,
        down_num_layers_per_block=options.down,
        up_num_layers_per_block=options.up,
        down_blocks_repeat_mappers=(1,) * levels,
        up_blocks_repeat_mappers=options.repeats,
        block_types_per_layer=tuple(tuple(PARTS[kind] for kind in level) for level in options.blocks),
        clip_text_pooled_in_channels=options.pooled,
        effnet_in_channels=options.semantic,
        pixel_mapper_in_channels=options.pixels,
        dropout=(options.dropout,) * levels,
        timestep_conditioning_type=("sca",),
        switch_level=None,
    )
    unet.parametrisation = options.parametrisation
    result: CascadeUNet = unet
    return result
