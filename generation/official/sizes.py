"""Options of a stage, read off the shapes of its released weights."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from oddpixel.errors import WrongArchitecture

from ..guidance.implicit import ImplicitOptions
from ..stages.stage_a import StageAOptions
from ..stages.stage_b import StageBOptions
from ..stages.stage_c import StageCOptions

HEAD_WIDTH = 64  # of attention, in every published size
Weights = Mapping[str, Tensor]


def stage_a(weights: Weights) -> StageAOptions:
    """Stage A's options, from its weights' shapes. Raises: WrongArchitecture where these are not stage A's."""
    if "vquantizer.codebook.weight" not in weights:
        raise WrongArchitecture("these are not weights of stage A; were the files mixed up?")
    levels = sum(
        name.startswith("up_blocks") and value.ndim == 4 and value.shape[-1] == 4 for name, value in weights.items()
    )
    blocks = sum(name.startswith("up_blocks") and name.endswith(".gammas") for name in weights)
    codes, latent = weights["vquantizer.codebook.weight"].shape
    return StageAOptions(
        levels=levels + 1,
        hidden=weights["up_blocks.0.0.weight"].shape[0],
        blocks=blocks - levels,
        latent=latent,
        codes=codes,
    )


def stage_c(weights: Weights) -> StageCOptions:
    """Stage C's options, from its weights' shapes. Raises: WrongArchitecture where these are not stage C's."""
    if "clip_txt_mapper.weight" not in weights:
        raise WrongArchitecture("these are not weights of stage C; were the files mixed up?")
    widths = _widths(weights)
    condition, text = weights["clip_txt_mapper.weight"].shape
    return StageCOptions(
        channels=weights["embedding.1.weight"].shape[1],
        widths=widths,
        heads=tuple(width // HEAD_WIDTH for width in widths),
        down=tuple(_count(weights, f"down_blocks.{level}.") // 3 for level in range(len(widths))),
        up=tuple(_count(weights, f"up_blocks.{level}.") // 3 for level in range(len(widths))),
        condition=condition,
        text=text,
        pooled=weights["clip_txt_pooled_mapper.weight"].shape[1],
        picture=weights["clip_img_mapper.weight"].shape[1],
    )


def stage_b(weights: Weights) -> StageBOptions:
    """Stage B's options, from its weights' shapes. Raises: WrongArchitecture where these are not stage B's."""
    if "effnet_mapper.0.weight" not in weights or "clip_mapper.weight" not in weights:
        raise WrongArchitecture("these are not weights of stage B; were the files mixed up?")
    widths = _widths(weights)
    levels = range(len(widths))
    attends = [f"down_blocks.{level}.2.attention.attn.in_proj_weight" in weights for level in levels]
    blocks = tuple("CTA" if attention else "CT" for attention in attends)
    pooled = weights["clip_mapper.weight"].shape[1]
    return StageBOptions(
        patch=2,
        widths=widths,
        heads=tuple(w // HEAD_WIDTH if attention else -1 for w, attention in zip(widths, attends, strict=True)),
        blocks=blocks,
        down=tuple(_count(weights, f"down_blocks.{i}.") // len(blocks[i]) for i in levels),
        up=tuple(_count(weights, f"up_blocks.{i}.") // len(blocks[len(widths) - 1 - i]) for i in levels),
        repeats=tuple(1 + _count(weights, f"up_repeat_mappers.{i}.") for i in levels),
        condition=weights["clip_mapper.weight"].shape[0] // 4,
        pooled=pooled,
        semantic=weights["effnet_mapper.0.weight"].shape[1],
        pixels=weights["pixels_mapper.0.weight"].shape[1],
    )


def guidance(weights: Weights) -> ImplicitOptions:
    """Options of the guidance networks, from weights renamed by `official.names.guidance`."""
    first = {
        name.removeprefix("at.down0."): value.shape for name, value in weights.items() if name.startswith("at.down0.")
    }
    inner, width = first["input_layer.weight"][:2]
    rows, hidden = first["base_params.wb0"]
    attention = first["transformer_encoder.layers.0.0.fn.to_q.1.weight"][0]
    return ImplicitOptions(
        width=width,
        inner=inner,
        heads=max(attention // 32, 1),
        head_width=min(attention, 32),
        hidden=hidden,
        groups=first["wtokens"][0] // 2,
        frequencies=(rows - 1) // 4,
        positions=first["tokenizer.posemb"][0],
        time=first["mapp_t.mapper.weight"][1],
    )


def _widths(weights: Weights) -> tuple[int, ...]:
    levels = _count(weights, "down_blocks.")
    return tuple(weights[f"down_blocks.{level}.0.depthwise.weight"].shape[0] for level in range(levels))


def _count(weights: Weights, prefix: str) -> int:
    """How many numbers follow a prefix."""
    return len({name[len(prefix) :].partition(".")[0] for name in weights if name.startswith(prefix)})
