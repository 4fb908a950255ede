"""Stage A: absolute error of pictures and of their differences between neighbours, and a codebook that follows the latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..stages.stage_a import StageA
from .pictures import Pictures
from .task import StageTask

CODEBOOK_WEIGHT = 0.1


@dataclass(frozen=True, eq=False)
class StageALosses:
    total: Float[Tensor, ""]
    absolute: Float[Tensor, ""]
    edges: Float[Tensor, ""]
    codebook: Float[Tensor, ""]


class StageALoss(nn.Module):
    """Pictures are decoded from latents as they are; the codebook learns beside, from latents that it cannot change."""

    def __init__(self, stage: StageA) -> None:
        super().__init__()
        self.stage = stage

    def forward(self, pictures: Float[Tensor, "b 3 h w"]) -> StageALosses:
        network = self.stage.network
        latent = network.encode(pictures).latents
        made = network.decode(latent).sample
        codebook = network.vquantizer(latent.detach())[1]
        absolute = (made - pictures).abs().mean()
        edges = sum(((made - pictures).diff(dim=axis)).abs().mean() for axis in (2, 3)) / 2
        assert isinstance(edges, Tensor)
        return StageALosses(absolute + edges + CODEBOOK_WEIGHT * codebook, absolute, edges, codebook)


class StageATask(StageTask):
    """Arguments:
    side: of crops, in pixels.
    """

    def __init__(self, stage: StageA, train: Pictures, held_out: Pictures, side: int = 64, **_: Any) -> None:
        super().__init__(StageALoss(stage))
        self.stage, self.train, self.held_out, self.side = stage, train, held_out, side
        _open_gains(stage)

    def batch(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        return {"pictures": self.train.crops(len(indices), self.side, generator)[0]}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        generator = torch.Generator().manual_seed(0)
        pictures, _ = self.held_out.crops(16, 2 * self.side, generator)
        return {"psnr": psnr(self.stage.decode(self.stage.encode(pictures)), pictures)}


def psnr(made: Tensor, wanted: Tensor) -> float:
    """Decibels, of values in 0..1."""
    return float(-10 * (made.clamp(0, 1) - wanted).square().mean().log10())


def _open_gains(stage: StageA) -> None:
    """Published gains start at zero, and every block as nothing."""
    for name, parameter in stage.named_parameters():
        if name.endswith("gammas") and not bool(parameter.detach().any()):
            parameter.data[2], parameter.data[5] = 0.5, 0.5
