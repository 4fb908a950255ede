"""Stage C: the noise in semantic latents of several grids, given a label, a picture token, both or neither.

Grids take turns; larger ones are trained with the shifted schedule that they are sampled with. One crop in twenty is
unconditional (classifier-free guidance); half have no picture token.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ..cascade import Cascade
from ..conditions.label import LabelConditioner
from ..conditions.reference import picture_token
from ..conditions.tokens import Conditions
from .denoising import DenoisingLosses, draw_times, losses, mean_over_times, noise_like, noised
from .latents import Latents
from .task import LatentTask

UNCONDITIONAL, NO_PICTURE = 0.05, 0.5


class StageCLoss(nn.Module):
    """Stage C's denoising loss on semantic latents."""

    def __init__(self, cascade: Cascade) -> None:
        super().__init__()
        self.options = cascade.options
        self.unet, self.labels = cascade.c.unet, cascade.labels

    def forward(
        self,
        x_0: Float[Tensor, "b c h w"],
        noise: Float[Tensor, "b c h w"],
        t: Float[Tensor, "b"],
        labels: Int64[Tensor, "b"],
        picture_tokens: Float[Tensor, "b 1 d"],
    ) -> DenoisingLosses:
        """Losses of the noise estimate, given labels and picture tokens."""
        grid = x_0.shape[2], x_0.shape[3]
        at = noised(x_0, noise, t, self.options.shift(grid))
        conditions = label_conditions(self.labels, labels, picture_tokens)
        predicted = self.unet.predict_noise(at.x, at.timestep, **conditions.arguments())
        return losses(predicted, noise, at, self.unet.parametrisation)


def label_conditions(conditioner: LabelConditioner, labels: Tensor, picture_tokens: Tensor) -> Conditions:
    """Conditions of label numbers and picture tokens; 0 is no label."""
    pooled = conditioner.pooled(labels)[:, None]
    return Conditions(pooled, conditioner.text(labels).unflatten(1, (conditioner.slots, -1)), picture_tokens)


class StageCTask(LatentTask):
    """The training task of stage C and of the label embeddings.

    Arguments:
        train, held_out: latents by side of the crops.
        shares: of the steps, by side.
    """

    def __init__(
        self, cascade: Cascade, train: dict[int, Latents], held_out: dict[int, Latents], shares: Sequence[float]
    ) -> None:
        super().__init__(StageCLoss(cascade), train, shares)
        self.held_out = held_out
        cascade.requires_grad_(False)
        cascade.c.unet.requires_grad_(True)
        cascade.labels.requires_grad_(True)

    def batch(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Latents with noise and times; labels and picture tokens are dropped at random."""
        latents, rows = self.draw(len(indices), generator)
        x_0 = latents.high[rows].float()
        chances = torch.rand(2, len(rows), generator=generator, device=self.device)
        nothing = chances[0] < UNCONDITIONAL
        no_picture = nothing | (chances[1] < NO_PICTURE)
        return {
            "x_0": x_0,
            "noise": noise_like(x_0, generator),
            "t": draw_times(len(rows), generator),
            "labels": latents.labels[rows] * ~nothing,
            "picture_tokens": picture_token(x_0) * ~no_picture[:, None, None],
        }

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Held-out error of the noise by side, conditioned on the label alone."""
        return {f"mse_{side}": self._held_out(latents) for side, latents in self.held_out.items()}

    def _held_out(self, latents: Latents) -> float:
        """Mean error of the noise over the times, given the label alone."""
        generator = torch.Generator().manual_seed(0)
        device = next(self.objective.parameters()).device
        x_0, labels = latents.high.to(device).float(), latents.labels.to(device)

        def error(t: Tensor) -> Tensor:
            noise = torch.randn(x_0.shape, generator=generator).to(device)
            picture_tokens = torch.zeros_like(picture_token(x_0))
            result: Tensor = self.objective(x_0, noise, t.expand(len(x_0)).to(device), labels, picture_tokens).mse
            return result

        return mean_over_times(error)
