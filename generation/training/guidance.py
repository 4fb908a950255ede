"""Training of the guidance networks, with stage C frozen.

Its low-resolution features are captured at t = 0.05 without dropout, and only the networks that carry them to the
high-resolution pass learn.

Both passes are one module's forward, so that distributed training sees the gradients (in the reference they are not
synchronised, and the frozen stage collects gradients that nobody uses).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..cascade import Cascade
from ..guidance.guided import GuidedStageC, Plan
from ..pipeline import CAPTURED_AT
from .denoising import DenoisingLosses, draw_times, losses, mean_over_times, noise_like, noised
from .latents import Latents
from .stage_c import label_conditions
from .task import LatentTask


class GuidanceLoss(nn.Module):
    """Stage C's denoising loss with guidance from its own low-resolution features."""

    def __init__(self, cascade: Cascade) -> None:
        super().__init__()
        self.options, self.labels, self.stage = cascade.options, cascade.labels, cascade.c

    def forward(
        self,
        high: Float[Tensor, "b c h w"],
        low: Float[Tensor, "b c p q"],
        noise: Float[Tensor, "b c h w"],
        low_noise: Float[Tensor, "b c p q"],
        t: Float[Tensor, "b"],
        is_guided: bool = True,
    ) -> DenoisingLosses:
        """Losses of the guided noise estimate on high-resolution latents, given low-resolution ones."""
        grid = high.shape[2], high.shape[3]
        conditions = label_conditions(
            self.labels,
            torch.zeros(len(high), dtype=torch.long, device=high.device),
            high.new_zeros(len(high), 1, self.labels.picture),
        )
        plan = None
        if is_guided:
            with torch.no_grad():
                at_low = noised(low, low_noise, torch.full_like(t, CAPTURED_AT))
                _, features = _still(self.stage).capture(at_low.x, at_low.timestep, conditions)
            plan = Plan(features, remember=False)
        at = noised(high, noise, t, self.options.shift(grid))
        predicted = self.stage.predict_noise(at.x, at.timestep, conditions, plan)
        return losses(predicted, noise, at, self.stage.unet.parametrisation)


def _still(stage: GuidedStageC) -> GuidedStageC:
    """The frozen network never drops out."""
    stage.unet.eval()
    return stage


class GuidanceTask(LatentTask):
    """The training task of the guidance networks; arguments as for `StageCTask`, sides above the low-resolution pass's."""

    def __init__(
        self, cascade: Cascade, train: dict[int, Latents], held_out: dict[int, Latents], shares: Sequence[float]
    ) -> None:
        super().__init__(GuidanceLoss(cascade), train, shares)
        self.held_out = held_out
        cascade.requires_grad_(False)
        assert cascade.c.networks is not None
        cascade.c.networks.requires_grad_(True)

    def batch(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Latents of one side at both resolutions, with noise and times."""
        latents, rows = self.draw(len(indices), generator)
        high, low = latents.high[rows].float(), latents.low[rows].float()
        return {
            "high": high,
            "low": low,
            "noise": noise_like(high, generator),
            "low_noise": noise_like(low, generator),
            "t": draw_times(len(rows), generator),
        }

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Held-out error of the noise by side, with guidance and without."""
        figures = {}
        for side, latents in self.held_out.items():
            for name, is_guided in (("guided", True), ("unguided", False)):
                figures[f"mse_{side}_{name}"] = self._held_out(latents, is_guided)
        return figures

    def _held_out(self, latents: Latents, is_guided: bool) -> float:
        generator = torch.Generator().manual_seed(0)
        device = next(self.objective.parameters()).device
        high, low = latents.high.to(device).float(), latents.low.to(device).float()

        def error(t: Tensor) -> Tensor:
            noise, low_noise = (torch.randn(x.shape, generator=generator).to(device) for x in (high, low))
            times = t.expand(len(high)).to(device)
            result: Tensor = self.objective(high, low, noise, low_noise, times, is_guided).mse
            return result

        return mean_over_times(error)
