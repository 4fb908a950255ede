"""A cascade small enough for tests, with random weights."""

from __future__ import annotations

import torch

from oddpixel.generation.conditions.label import LabelConditioner
from oddpixel.generation.guidance.guided import GuidanceNetworks, GuidedStageC
from oddpixel.generation.guidance.implicit import ImplicitOptions
from oddpixel.generation.pipeline import UltraPixelPipeline
from oddpixel.generation.sizes import Geometry
from oddpixel.generation.stages.semantic import EfficientNetEncoder
from oddpixel.generation.stages.stage_a import StageA, StageAOptions
from oddpixel.generation.stages.stage_b import StageBOptions, build_stage_b
from oddpixel.generation.stages.stage_c import StageCOptions, build_stage_c

STAGE_C = StageCOptions(
    channels=4, widths=(16, 16), heads=(2, 2), down=(1, 1), up=(1, 1), condition=8, text=8, pooled=8, picture=4
)
STAGE_B = StageBOptions(
    widths=(8, 8, 16, 16),
    heads=(-1, -1, 2, 2),
    down=(1, 1, 1, 1),
    up=(1, 1, 1, 1),
    repeats=(1, 1, 1, 1),
    condition=8,
    pooled=8,
    semantic=4,
)
STAGE_A = StageAOptions(hidden=16, blocks=2, codes=16)
IMPLICIT = ImplicitOptions(
    width=16, inner=8, heads=2, head_width=4, hidden=8, groups=2, frequencies=8, finest=8.0, positions=64
)
GEOMETRY = Geometry(compression=32, base=4, encoder=32)


def shaken(module: torch.nn.Module) -> torch.nn.Module:
    """Weights that are zero at first hide what comes after them."""
    for parameter in module.parameters():
        parameter.data.add_(torch.randn_like(parameter), alpha=0.1)
    return module.eval()


def stage_c(seed: int = 0) -> GuidedStageC:
    torch.manual_seed(seed)
    unet, networks = build_stage_c(STAGE_C), GuidanceNetworks(IMPLICIT)
    unet.initialise()
    shaken(unet)
    shaken(networks)
    return GuidedStageC(unet, networks).eval()


def pipeline(seed: int = 0) -> UltraPixelPipeline:
    c = stage_c(seed)
    b, a, encoder = build_stage_b(STAGE_B), StageA(STAGE_A), EfficientNetEncoder(STAGE_C.channels)
    b.initialise()
    for part in (b, a, encoder):
        shaken(part)
    label = LabelConditioner(("cat", "house"), text=8, pooled=8, picture=4, slots=3)
    return UltraPixelPipeline(c, b, a, encoder, label.eval(), GEOMETRY)
