"""The training loss: CE of the level plus MSE of the noise, L = 1e-3 CE + MSE (CDM, eq. 12 and appendix B).

Neither alone suffices: CE is right only near the true level, MSE leaves the constants of F_k free. The MSE needs the
gradient of an input gradient by the parameters, a double backward pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from .flat import Flat


@dataclass(frozen=True, eq=False)
class Losses:
    """The weighted total and its two parts, each averaged over the batch."""

    total: Float[Tensor, ""]
    ce: Float[Tensor, ""]
    mse: Float[Tensor, ""]


class DensityRatioLoss(nn.Module):
    """A module, so that distributed training can wrap the input gradient together with the network."""

    def __init__(self, model: Flat, ce_weight: float = 1e-3, mse_weight: float = 1.0) -> None:
        super().__init__()
        self.model, self.ce_weight, self.mse_weight = model, ce_weight, mse_weight

    def forward(
        self,
        x: Float[Tensor, "b c h w"],
        k: Int[Tensor, "b"],
        noise: Float[Tensor, "b c h w"],
        labels: Int[Tensor, "b"] | None = None,
    ) -> Losses:
        """Mean over the batch (and over all elements, for the MSE)."""
        e_hat, logits = self.model.noise_and_logits(self.model.add_noise(x, k, noise), k, labels)
        ce = F.cross_entropy(logits.float(), k)
        mse = (e_hat - noise).square().mean()
        return Losses(self.ce_weight * ce + self.mse_weight * mse, ce, mse)


def drop_labels(
    labels: Int[Tensor, "b"], null: int, probability: float, generator: torch.Generator
) -> Int[Tensor, "b"]:
    """Replace labels by the null class, so that guidance has an unconditional model to lean on (the reference forgets to)."""
    dropped = torch.rand(labels.shape, generator=generator) < probability
    return torch.where(dropped.to(labels.device), torch.full_like(labels, null), labels)
