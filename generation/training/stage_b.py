"""Stage B, and the semantic encoder with it: the latent of a crop from the crop's semantic latent.

The encoder sees the crop reduced by a factor between 1 and 2, so that B does not lean on its exact grid; one crop in ten has no
semantic latent, for guidance without a classifier. After this the encoder is frozen: stage C learns its latents.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from ..cascade import Cascade
from ..pipeline import PassOptions
from ..sampler import Guidance, seeded_noise, steps
from .denoising import DenoisingLosses, draw_times, losses, noised
from .pictures import Pictures
from .stage_a import psnr
from .task import StageTask

UNSHOWN = 0.1


class StageBLoss(nn.Module):
    def __init__(self, cascade: Cascade) -> None:
        super().__init__()
        self.b, self.encoder = cascade.b, cascade.encoder

    def forward(
        self,
        latent: Float[Tensor, "b c h w"],
        reduced: Float[Tensor, "b 3 p q"],
        noise: Float[Tensor, "b c h w"],
        t: Float[Tensor, "b"],
        shown: Float[Tensor, "b"],
    ) -> DenoisingLosses:
        """Arguments:
        reduced: the crop as the encoder sees it, 0..1.
        shown: 0 where the semantic latent is kept from stage B.
        """
        semantic = self.encoder(reduced) * shown[:, None, None, None]
        at = noised(latent, noise, t)
        pooled = latent.new_zeros(len(latent), 1, self.b.config.clip_text_pooled_in_channels)
        return losses(self.b.predict_noise(at.x, at.told, pooled=pooled, semantic=semantic), noise)


class StageBTask(StageTask):
    def __init__(self, cascade: Cascade, train: Pictures, held_out: Pictures, side: int = 256, **_: Any) -> None:
        super().__init__(StageBLoss(cascade))
        self.cascade, self.train, self.held_out, self.side = cascade, train, held_out, side
        cascade.a.requires_grad_(False)

    @torch.no_grad()
    def batch(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        pictures, _ = self.train.crops(len(indices), self.side, generator)
        reduction = self.cascade.encoder.reduction
        factor = 0.5 + 0.5 * float(torch.rand(1, generator=generator))
        reduced_side = max(round(factor * self.side / reduction), 1) * reduction
        latent = self.cascade.a.eval().encode(pictures)
        return {
            "latent": latent,
            "reduced": interpolate(pictures, size=(reduced_side, reduced_side), mode="area"),
            "noise": torch.randn(latent.shape, generator=generator),
            "t": draw_times(len(pictures), generator),
            "shown": (torch.rand(len(pictures), generator=generator) >= UNSHOWN).float(),
        }

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Error of the noise, and likeness of what is made from semantic latents, beside a picture blurred to their grid."""
        generator = torch.Generator().manual_seed(0)
        pictures, _ = self.held_out.crops(8, self.side, generator)
        cascade = self.cascade
        semantic, latent = cascade.encoder(pictures), cascade.a.encode(pictures)
        pooled = latent.new_zeros(len(latent), 1, cascade.b.config.clip_text_pooled_in_channels)
        noise, t = torch.randn(latent.shape, generator=generator), torch.linspace(0.05, 0.95, len(latent))
        at = noised(latent, noise, t)
        found = cascade.b.predict_noise(at.x, at.told, pooled=pooled, semantic=semantic)
        way = PassOptions(steps=10, guidance=Guidance(scale=1.0))
        draw = seeded_noise(list(range(len(latent))), (latent.shape[1], latent.shape[2], latent.shape[3]))

        def predict(x: Tensor, told: Tensor, at_time: float) -> Tensor:
            return cascade.b.predict_noise(x, told, pooled=pooled, semantic=semantic)

        made = list(steps(predict, way.schedule, draw(), way.steps, draw))[-1].x_0
        grid = interpolate(pictures, size=semantic.shape[2:], mode="area")
        blurred = interpolate(grid, size=pictures.shape[2:], mode="bicubic")
        return {
            "mse": float((found - noise).square().mean()),
            "psnr": psnr(cascade.a.decode(made), pictures),
            "psnr_of_blur": psnr(blurred, pictures),
        }
