"""The cascade at full size (`oddpixel bench cascade`): parameters, operations and activations from 1K to 6K, on the meta device.

Beside them the figures of the research note that this project began with, counted on the reference implementation. Two
operations a multiply-add; stages B and C as one evaluation with its unconditional half; attention without its matrix; bf16.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from oddpixel.bench import Report
from oddpixel.generation.cost import Cost, cost_of, weight_bytes
from oddpixel.generation.guidance.guided import GuidanceNetworks
from oddpixel.generation.guidance.implicit import PUBLISHED, ImplicitGuidance
from oddpixel.generation.sizes import Geometry
from oddpixel.generation.stages import stage_b, stage_c
from oddpixel.generation.stages.semantic import EfficientNetEncoder
from oddpixel.generation.stages.stage_a import TILE, StageA, StageAOptions, work_ratio
from oddpixel.generation.stages.unet import CascadeUNet

SIDES = (1024, 2048, 3072, 4096, 5120, 6144)
# Of the research note: TFLOP and GiB of stage C, stage B lite, B 3B, whole stage A; TFLOP of one guidance network.
NOTED = {
    1024: (8.2, 0.1, 4.4, 0.3, 12.3, 0.3, 2.2, 1.0, 0.044),
    2048: (36, 0.2, 22.7, 1.3, 64, 1.3, 8.7, 4.1, 0.089),
    3072: (96, 0.6, 69.7, 3.1, 199, 3.1, 19.6, 9.3, 0.165),
    4096: (210, 1.1, 170, 5.5, 490, 5.5, 34.8, 16.5, 0.27),
    5120: (406, 1.8, 359, 8.6, 1040, 8.7, 54.3, 25.8, 0.41),
    6144: (722, 2.6, 680, 12.5, 1980, 12.5, 78, 37, 0.57),
}
NOTED_PARAMETERS = {
    "stage A": 18_406_894,
    "stage B 700M": 699_471_248,
    "stage B 3B": 1_562_941_136,
    "stage C 1B": 1_030_785_040,
    "stage C 3.6B": 3_589_103_632,
    "semantic encoder": 20_197_968,
    "guidance": 105_524_224,
}
GIB = 2**30
FINEST = (8.0, 16.0, 64.0, 1024.0)  # 1024 as published


def run(seed: int = 0) -> Report:
    """Count parameters, operations and activations of the published configuration, without its weights."""
    with torch.device("meta"):
        parts: dict[str, nn.Module] = {
            "stage A": StageA(StageAOptions()),
            "stage B 700M": stage_b.build_stage_b(stage_b.LITE),
            "stage B 3B": stage_b.build_stage_b(stage_b.LARGE),
            "stage C 1B": stage_c.build_stage_c(stage_c.SMALL),
            "stage C 3.6B": stage_c.build_stage_c(stage_c.LARGE),
            "semantic encoder": EfficientNetEncoder(),
            "guidance": GuidanceNetworks(PUBLISHED),
        }
    for part in parts.values():
        part.to(torch.bfloat16).eval()
    return Report(
        tables={
            "parameters": [_parameters(name, part) for name, part in parts.items()],
            "cost of one evaluation": [_costs(parts, side) for side in SIDES],
            "stage A in tiles": [_tiles(parts["stage A"], side) for side in SIDES],
            "implicit maps of 24 x 24 against 72 x 72": [_maps(finest, seed) for finest in FINEST],
        },
        seed=seed,
        notes=[
            "the note counts in the guidance 33.6 M parameters that never reach its output; they are not built here"
        ],
    )


def _parameters(name: str, part: nn.Module) -> dict[str, Any]:
    count = sum(p.numel() for p in part.parameters())
    return {"part": name, "parameters": count, "noted": NOTED_PARAMETERS[name], "gib_bf16": weight_bytes(part, 2) / GIB}


def _costs(parts: dict[str, nn.Module], side: int) -> dict[str, Any]:
    geometry = Geometry()
    grid, latent = geometry.semantic((side, side)), geometry.latent((side, side))
    a = parts["stage A"]
    network = parts["guidance"].at["down0"]  # type: ignore[index]
    assert isinstance(a, StageA)
    assert isinstance(network, ImplicitGuidance)
    costs = {
        "c": _stage_c(parts["stage C 3.6B"], grid),
        "b_lite": _stage_b(parts["stage B 700M"], latent, grid),
        "b": _stage_b(parts["stage B 3B"], latent, grid),
        "a": cost_of(lambda: a.decode(_empty(1, 4, *latent))),
        "guidance": cost_of(lambda: network(_empty(2, 2048, *grid), _empty(2, 2048, 24, 24), _empty(2, 64))),
    }
    noted = NOTED[side]
    row: dict[str, Any] = {"side": side}
    for index, (name, cost) in enumerate(costs.items()):
        row |= {f"{name}_tflop": cost.flops / 1e12, f"{name}_tflop_noted": noted[2 * index]}
        if name != "guidance":
            row |= {f"{name}_gib": cost.peak_bytes / GIB, f"{name}_gib_noted": noted[2 * index + 1]}
    return row


def _stage_c(unet: nn.Module, grid: tuple[int, int]) -> Cost:
    assert isinstance(unet, CascadeUNet)
    x, conditions = _empty(2, 16, *grid), {"text": _empty(2, 77, 1280), "picture": _empty(2, 1, 768)}
    return cost_of(lambda: unet.predict_noise(x, _times(), pooled=_empty(2, 1, 1280), **conditions))


def _stage_b(unet: nn.Module, latent: tuple[int, int], grid: tuple[int, int]) -> Cost:
    assert isinstance(unet, CascadeUNet)
    x, semantic = _empty(2, 4, *latent), _empty(2, 16, *grid)
    return cost_of(lambda: unet.predict_noise(x, _times(), pooled=_empty(2, 1, 1280), semantic=semantic))


def _tiles(a: nn.Module, side: int) -> dict[str, Any]:
    assert isinstance(a, StageA)
    rows, columns = Geometry().latent((side, side))
    cost = cost_of(lambda: a.decode_tiled(_empty(1, 4, rows, columns)))
    return {
        "side": side,
        "tile": TILE,
        "margin": a.options.margin,
        "work_ratio": work_ratio(rows, columns, TILE, a.options.margin),
        "tflop": cost.flops / 1e12,
        "gib": cost.peak_bytes / GIB,
    }


@torch.no_grad()
def _maps(finest: float, seed: int) -> dict[str, Any]:
    """A network of random weights at both sizes: at the same places, and averaged over the areas of the smaller one."""
    torch.manual_seed(seed)
    options = dataclasses.replace(PUBLISHED, width=16, inner=16, heads=4, head_width=4, hidden=32, groups=4)
    network = ImplicitGuidance(dataclasses.replace(options, finest=finest)).eval()
    matrices = network.written(network.weight_tokens(torch.randn(1, 16, 24, 24)))
    low, high = network.map(matrices, (24, 24)), network.map(matrices, (72, 72))
    return {
        "finest": finest,
        "largest_difference_at_the_same_places": float((high[..., 1::3, 1::3] - low).abs().max()),
        "area_mismatch": float((nn.functional.avg_pool2d(high, 3) - low).std() / low.std()),
    }


def _empty(*shape: int) -> Tensor:
    return torch.empty(*shape, dtype=torch.bfloat16, device="meta")


def _times() -> Tensor:
    return torch.empty(2, device="meta")
