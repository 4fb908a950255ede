"""`flat`, the published model: one classifier of noise levels over a whole image of fixed size.

With logits F_k(x) = log p(k | x) + const, levels drawn uniformly (CDM, theorems 3.1 and 3.2):

    log p(x)    = log N(x; 0, I) + F_clean(x) - F_noise(x)                 one forward pass          [nats]
    e_hat(x_k)  = sigma_k ( x_k + grad_x [ F_noise(x_k) - F_k(x_k) ] )     one more backward pass

Both hold for every schedule; in flow matching `clean` is the level at sigma_min.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from oddpixel.errors import InvalidImage

from .quanta import Quanta
from .schedules import Schedule


class Flat(nn.Module):
    """A density-ratio model.

    Arguments:
        network: `(x [b, c, h, w], labels [b] | None) -> [b, num_levels]`, raw outputs before the cumulative sum.
        schedule: the levels it tells apart.
        quanta: how stored pixel values become model values.
    """

    alpha: Float[Tensor, "k"]
    sigma: Float[Tensor, "k"]

    def __init__(self, network: nn.Module, schedule: Schedule, quanta: Quanta | None = None) -> None:
        super().__init__()
        self.network, self.schedule, self.quanta = network, schedule, quanta or Quanta()
        alpha, sigma = schedule.alpha_sigma()
        self.register_buffer("alpha", alpha.float(), persistent=False)
        self.register_buffer("sigma", sigma.float(), persistent=False)

    @property
    def num_classes(self) -> int | None:
        """Classes without the null class, or None."""
        count: Any = getattr(getattr(self.network, "options", None), "num_classes", None)
        return None if count is None else count - 1

    def logits(self, x: Float[Tensor, "b c h w"], labels: Int[Tensor, "b"] | None = None) -> Float[Tensor, "b k"]:
        """F_k(x), up to a constant that no answer depends on. Raises: InvalidImage."""
        if not torch.isfinite(x).all():
            raise InvalidImage("the image holds NaN or infinite values; mask or replace them first")
        outputs: Tensor = self.network(x) if labels is None else self.network(x, labels)
        return outputs.cumsum(1)

    def log_likelihood(self, x: Float[Tensor, "b c h w"], labels: Int[Tensor, "b"] | None = None) -> Float[Tensor, "b"]:
        """log p(x) in nats, in model values; one forward pass."""
        logits = self.logits(x, labels)
        return log_normal(x) + logits[:, self.schedule.clean] - logits[:, self.schedule.noise]

    def add_noise(
        self, x: Float[Tensor, "b c h w"], k: Int[Tensor, "b"], noise: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c h w"]:
        """x_k = alpha_k x + sigma_k e."""
        return self.alpha[k][:, None, None, None] * x + self.sigma[k][:, None, None, None] * noise

    def predict_noise(
        self,
        x_k: Float[Tensor, "b c h w"],
        k: Int[Tensor, "b"],
        labels: Int[Tensor, "b"] | None = None,
        guidance: float = 0.0,
    ) -> Float[Tensor, "b c h w"]:
        """e_hat(x_k), the MMSE estimate of the noise.

        With labels and guidance w: (1 + w) e_hat(x, label) - w e_hat(x, null) (Ho and Salimans 2022, eq. 6).
        """
        if labels is None or guidance == 0:
            return self._noise_and_logits(x_k, k, labels, create_graph=False)[0].detach()
        assert self.num_classes is not None, "guidance needs a model with classes"
        null = torch.full_like(labels, self.num_classes)
        both, _ = self._noise_and_logits(
            x_k.repeat(2, 1, 1, 1), k.repeat(2), torch.cat([labels, null]), create_graph=False
        )
        conditional, unconditional = both.detach().chunk(2)
        return (1 + guidance) * conditional - guidance * unconditional

    def noise_and_logits(
        self, x_k: Tensor, k: Tensor, labels: Tensor | None = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b k"]]:
        """e_hat(x_k) and F(x_k), both differentiable by the parameters: what training needs."""
        return self._noise_and_logits(x_k, k, labels, create_graph=True)

    def _noise_and_logits(
        self, x_k: Tensor, k: Tensor, labels: Tensor | None, *, create_graph: bool
    ) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x_k = x_k.detach().requires_grad_()
            logits = self.logits(x_k, labels)
            chosen = logits.gather(1, k[:, None])[:, 0]
            (gradient,) = torch.autograd.grad(
                (logits[:, self.schedule.noise] - chosen).sum(), x_k, create_graph=create_graph
            )
        return self.sigma[k][:, None, None, None] * (x_k + gradient), logits


def log_normal(x: Float[Tensor, b * d]) -> Float[Tensor, "b"]:
    """log N(x; 0, I) in nats."""
    flat = x.flatten(1)
    return -0.5 * (flat.square().sum(1) + flat.shape[1] * math.log(2 * math.pi))
