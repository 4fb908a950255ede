"""Stage C: the prior. Noise in the semantic latent (16 channels, 1/42.67 of the picture), given text, pooled text and a picture.

Two levels of one width and one resolution; blocks of convolution, time and attention over [own tokens ; condition tokens].
Stable Cascade (Pernias et al. 2024); sizes of the 3.6B model as published.
"""

from __future__ import annotations

from dataclasses import dataclass

from .unet import CascadeUNet, Parametrisation

BLOCK = ("SDCascadeResBlock", "SDCascadeTimestepBlock", "SDCascadeAttnBlock")


@dataclass(frozen=True, kw_only=True)
class StageCOptions:
    """Architecture of stage C.

    Arguments:
        down, up: blocks of each level on the way down, and on the way up (from the lower level).
        text, pooled, picture: widths of the conditions.
        condition: width of a condition token.
        parametrisation: what the network's output is, see `CascadeUNet`.
    """

    channels: int = 16
    widths: tuple[int, ...] = (2048, 2048)
    heads: tuple[int, ...] = (32, 32)
    down: tuple[int, ...] = (8, 24)
    up: tuple[int, ...] = (24, 8)
    condition: int = 2048
    text: int = 1280
    pooled: int = 1280
    picture: int = 768
    parametrisation: Parametrisation = "noise"
    dropout: float = 0.0


LARGE = StageCOptions()
SMALL = StageCOptions(widths=(1536, 1536), heads=(24, 24), down=(4, 12), up=(12, 4), condition=1536)


def build_stage_c(options: StageCOptions) -> CascadeUNet:
    """Build stage C with fresh weights."""
    levels = len(options.widths)
    unet = CascadeUNet(
        in_channels=options.channels,
        out_channels=options.channels,
        conditioning_dim=options.condition,
        block_out_channels=options.widths,
        num_attention_heads=options.heads,
        down_num_layers_per_block=options.down,
        up_num_layers_per_block=options.up,
        down_blocks_repeat_mappers=(1,) * levels,
        up_blocks_repeat_mappers=(1,) * levels,
        block_types_per_layer=(BLOCK,) * levels,
        clip_text_in_channels=options.text,
        clip_text_pooled_in_channels=options.pooled,
        clip_image_in_channels=options.picture,
        dropout=(options.dropout,) * levels,
        timestep_conditioning_type=("sca", "crp"),
        switch_level=(False,) * (levels - 1),
    )
    unet.parametrisation = options.parametrisation
    result: CascadeUNet = unet
    return result
