"""The density ratio of one scale: log p(d | c) from a noise-level classifier, at any level of noise.

    d_lambda = alpha d + sigma e,    alpha^2 = sigmoid(lambda), sigma^2 = sigmoid(-lambda),    lambda = log-SNR
    log p_lambda(d_lambda | c) = log N(d_lambda; 0, I) + G_lambda(d_lambda, c)
    e_hat(d_lambda) = sigma (d_lambda - grad G_lambda)

Outputs are knots in lambda, evenly spaced, with linear interpolation between them, so the level is continuous. Only
what is present counts: absent details are zero at every level, carry no noise and no density.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn


class Conditional(nn.Module):
    """Arguments:
    network: `(d, c) -> g [b, 1 + num_levels, h, w]`: the clean image's, then one a knot from `top` down to `bottom`.
    num_levels, top, bottom: the knots in log-SNR.
    """

    lambdas: Float[Tensor, "levels"]

    def __init__(self, network: nn.Module, num_levels: int, top: float, bottom: float) -> None:
        super().__init__()
        self.network = network
        self.num_levels, self.top, self.bottom = num_levels, top, bottom
        self.register_buffer("lambdas", torch.linspace(top, bottom, num_levels), persistent=False)

    def add_noise(
        self,
        d: Float[Tensor, "b c h w"],
        lambda_: Float[Tensor, "b"],
        noise: Float[Tensor, "b c h w"],
        present: Float[Tensor, "*b c h w"],
    ) -> Float[Tensor, "b c h w"]:
        """d_lambda; absent entries stay zero."""
        alpha, sigma = alpha_sigma(lambda_)
        return (alpha[:, None, None, None] * d + sigma[:, None, None, None] * noise) * present

    def log_ratio_map(self, d: Tensor, c: Tensor) -> Float[Tensor, "b k h w"]:
        """g at the clean image and at every knot."""
        output: Tensor = self.network(d, c)
        return output

    def log_likelihood_map(
        self, d: Float[Tensor, "b c h w"], c: Tensor, present: Float[Tensor, "*b c h w"]
    ) -> Float[Tensor, "b h w"]:
        """log p(d | c) by position, nats; one forward pass."""
        return log_normal_map(d, present) + self.log_ratio_map(d, c)[:, 0]

    def ratios(self, g: Float[Tensor, "b k h w"], lambda_: Float[Tensor, "b n"]) -> Float[Tensor, "b n"]:
        """G at any levels, interpolated between knots; +inf is the clean image, -inf pure noise."""
        sums = g.flatten(2).sum(2)
        clean, knots = sums[:, :1], sums[:, 1:]
        place = (self.top - lambda_).div(self.top - self.bottom).mul(self.num_levels - 1)
        place = place.clamp(0, self.num_levels - 1).nan_to_num()
        below = place.floor().clamp(max=self.num_levels - 2).long()
        part = place - below
        between = torch.gather(knots, 1, below) * (1 - part) + torch.gather(knots, 1, below + 1) * part
        between = torch.where(lambda_ == math.inf, clean.expand_as(between), between)
        return torch.where(lambda_ == -math.inf, torch.zeros_like(between), between)

    def noise_and_ratios(
        self, d: Tensor, c: Tensor, lambda_: Float[Tensor, "b"], candidates: Float[Tensor, "b n"] | None = None
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b n"] | None]:
        """e_hat of the noisy d, and G at the candidate levels, both differentiable by the parameters."""
        with torch.enable_grad():
            d = d.detach().requires_grad_()
            g = self.log_ratio_map(d, c)
            chosen = self.ratios(g, lambda_[:, None]).sum()
            (gradient,) = torch.autograd.grad(chosen, d, create_graph=self.training)
        _, sigma = alpha_sigma(lambda_)
        e_hat = sigma[:, None, None, None] * (d - gradient)
        return e_hat, None if candidates is None else self.ratios(g, candidates)

    def predict_noise(
        self, d: Tensor, c: Tensor, lambda_: Float[Tensor, "b"], present: Tensor
    ) -> Float[Tensor, "b c h w"]:
        """e_hat, the MMSE estimate of the noise; zero where nothing is present."""
        return (self.noise_and_ratios(d, c, lambda_)[0] * present).detach()


def alpha_sigma(lambda_: Tensor) -> tuple[Tensor, Tensor]:
    return torch.sigmoid(lambda_).sqrt(), torch.sigmoid(-lambda_).sqrt()


def log_normal_map(d: Float[Tensor, "b c h w"], present: Tensor) -> Float[Tensor, "b h w"]:
    """log N(d; 0, I) by position over what is present, nats."""
    return (-0.5 * (d.square() + math.log(2 * math.pi)) * present).sum(1)


def draw_candidates(
    count: int, conditional: Conditional, batch: int, generator: torch.Generator
) -> tuple[Float[Tensor, "b n"], Int64[Tensor, "b"]]:
    """Levels among which the classifier is to tell the true one, and which one that is (its index).

    An exchangeable set, or the classifier learns the habits of the draw: first the set (clean and pure noise always in it,
    half of the rest uniform, half close together), then the true one uniformly among them.
    """
    inner = count - 2
    uniform = torch.rand(batch, inner // 2, generator=generator)
    centre = torch.rand(batch, 1, generator=generator)
    close = (centre + 0.1 * torch.randn(batch, inner - inner // 2, generator=generator)).clamp(0, 1)
    spread = torch.cat([uniform, close], 1) * (conditional.top - conditional.bottom) + conditional.bottom
    ends = torch.tensor([[math.inf, -math.inf]]).expand(batch, 2)
    levels = torch.cat([ends, spread], 1)
    return levels, torch.randint(count, (batch,), generator=generator)
