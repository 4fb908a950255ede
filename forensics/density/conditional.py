"""The density ratio of one scale: log p(d | c) from a noise-level classifier, at any level of noise.

    z_lambda = alpha z + sigma e,    alpha^2 = sigmoid(lambda), sigma^2 = sigmoid(-lambda),    lambda = log-SNR
    log p_lambda(z_lambda | c) = log N(z_lambda; 0, I) + G_lambda(z_lambda, c)
    e_hat(z_lambda) = sigma (z_lambda - grad G_lambda)
    log p(d | c) = log base(d | c) + G_clean(z, c)

z is d as the base turns it (`base`): nearly white already, or d itself where the base is plain.

Outputs are knots in lambda, evenly spaced, with cubic interpolation between them, so the level is continuous. Only
what is present counts: absent details are zero at every level, carry no noise and no density.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from .base import Base, Details


class Conditional(nn.Module):
    """The density ratio of details given the coarse image, at any log-SNR.

    Arguments:
        base: from d to z.
        network: `(z, c) -> g [b, 1 + num_levels, h, w]`: the clean image's, then one a knot from `top` down to `bottom`.
        num_levels, top, bottom: the knots in log-SNR.
    """

    lambdas: Float[Tensor, "levels"]

    def __init__(self, base: Base, network: nn.Module, num_levels: int, top: float, bottom: float) -> None:
        super().__init__()
        self.base, self.network = base, network
        self.num_levels, self.top, self.bottom = num_levels, top, bottom
        self.register_buffer("lambdas", torch.linspace(top, bottom, num_levels), persistent=False)

    def add_noise(
        self,
        z: Float[Tensor, "b c h w"],
        lambda_: Float[Tensor, "b"],
        noise: Float[Tensor, "b c h w"],
        present: Float[Tensor, "*b c h w"],
    ) -> Float[Tensor, "b c h w"]:
        """z_lambda; absent entries stay zero."""
        alpha, sigma = alpha_sigma(lambda_)
        return (alpha[:, None, None, None] * z + sigma[:, None, None, None] * noise) * present

    def log_ratio_map(self, z: Tensor, c: Tensor) -> Float[Tensor, "b k h w"]:
        """g at the clean image and at every knot."""
        output: Tensor = self.network(z, c)
        return output

    def clean_ratio_map(self, z: Tensor, c: Tensor) -> Float[Tensor, "b h w"]:
        """g at the clean image alone."""
        output: Tensor = self.network.clean(z, c)  # type: ignore[operator] # a method of every such network
        return output

    def to_normal(self, d: Details, c: Tensor) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b h w"]]:
        """z, and log base(d | c) by position in nats."""
        return self.base.to_normal(d, c)

    def log_likelihood_map(self, d: Details, c: Tensor) -> Float[Tensor, "b h w"]:
        """log p(d | c) by position, nats by quanta; one forward pass."""
        z, log_base = self.to_normal(d, c)
        return log_base + self.clean_ratio_map(z, c)

    @property
    def reach(self) -> int:
        """How many pixels around a position its value depends on."""
        return self.base.reach + int(self.network.reach)  # type: ignore[arg-type]

    def weights(self, lambda_: Float[Tensor, "*n"]) -> Float[Tensor, "*n k"]:
        """How much the clean image's and each knot's output count at any level; +inf is the clean image, -inf pure noise.

        Cubic (Catmull-Rom) between knots: log-densities bend over a knot's distance, and where they do the classifier would
        otherwise see a kink.
        """
        place = (self.top - lambda_).div(self.top - self.bottom).mul(self.num_levels - 1)
        place = place.clamp(0, self.num_levels - 1).nan_to_num()
        below = place.floor().clamp(max=self.num_levels - 2).long()
        numbers = torch.arange(self.num_levels, device=place.device)
        knots = sum(
            (
                ((below + offset).clamp(0, self.num_levels - 1)[..., None] == numbers) * weight[..., None]
                for offset, weight in zip((-1, 0, 1, 2), _catmull_rom(place - below), strict=True)
            ),
            torch.zeros(()),
        )
        clean = (lambda_ == math.inf).to(knots)[..., None]
        return torch.cat([clean, knots * torch.isfinite(lambda_)[..., None]], -1)

    def noise_and_ratios(
        self, z: Tensor, c: Tensor, lambda_: Float[Tensor, "b"], candidates: Float[Tensor, "b n"]
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b n"]]:
        """e_hat of the noisy z, and G at the candidate levels, both differentiable by the parameters."""
        gradient, sums = self.gradient_and_sums(z, c, self.weights(lambda_))
        _, sigma = alpha_sigma(lambda_)
        e_hat = sigma[:, None, None, None] * (z - gradient)
        return e_hat, torch.einsum("bk,bnk->bn", sums, self.weights(candidates))

    def gradient_and_sums(
        self, z: Float[Tensor, "b c h w"], c: Tensor, weights: Float[Tensor, "b k"]
    ) -> tuple[Float[Tensor, "b c h w"], Float[Tensor, "b k"]]:
        """The gradient by z of G at one level an image, and the sums over positions of every output."""

        def chosen(z: Tensor) -> tuple[Tensor, Tensor]:
            sums = self.log_ratio_map(z, c).flatten(2).sum(2)
            return (sums * weights).sum(), sums

        gradient, sums = torch.func.grad(chosen, has_aux=True)(z)
        return gradient, sums

    def predict_noise(
        self, z: Tensor, c: Tensor, lambda_: Float[Tensor, "b"], present: Tensor
    ) -> Float[Tensor, "b c h w"]:
        """e_hat, the MMSE estimate of the noise; zero where nothing is present."""
        gradient, _ = self.gradient_and_sums(z, c, self.weights(lambda_))
        _, sigma = alpha_sigma(lambda_)
        return (sigma[:, None, None, None] * (z - gradient) * present).detach()


def alpha_sigma(lambda_: Tensor) -> tuple[Tensor, Tensor]:
    """alpha and sigma at log-SNR lambda, where alpha^2 + sigma^2 = 1."""
    return torch.sigmoid(lambda_).sqrt(), torch.sigmoid(-lambda_).sqrt()


def alpha_sigma_at(lambda_: float) -> tuple[float, float]:
    """The same of one level, in double precision."""
    return (1 + math.exp(-lambda_)) ** -0.5, (1 + math.exp(lambda_)) ** -0.5


def _catmull_rom(t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weights of the knots at -1, 0, 1, 2 for a place t in 0..1 between the middle two."""
    return (
        ((2 - t) * t - 1) * t / 2,
        ((3 * t - 5) * t * t + 2) / 2,
        ((4 - 3 * t) * t + 1) * t / 2,
        (t - 1) * t * t / 2,
    )


@torch.no_grad()
def ancestral(
    conditional: Conditional,
    c: Float[Tensor, "b k h w"],
    present: Float[Tensor, "d h w"],
    steps: int,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "b d h w"]:
    """z drawn given c, from pure noise up to the top knot (DDPM, Ho et al. 2020, eq. 7, in log-SNR)."""
    z = torch.randn(len(c), *present.shape, generator=generator).to(c) * present
    lambdas = torch.linspace(conditional.bottom, conditional.top, steps + 1, dtype=torch.float64)
    for now, then in pairwise(lambdas.tolist()):
        levels = torch.full((len(c),), now, dtype=c.dtype, device=c.device)
        e_hat = conditional.predict_noise(z, c, levels, present)
        alpha, sigma = alpha_sigma_at(now)
        alpha_then, sigma_then = alpha_sigma_at(then)
        clean = (z - sigma * e_hat) / alpha
        new = -math.expm1(now - then)  # the share of the variance that is drawn anew
        noise = torch.randn(z.shape, generator=generator).to(z) * present
        kept = alpha / alpha_then * (sigma_then / sigma) ** 2
        z = kept * z + alpha_then * new * clean + sigma_then * math.sqrt(new) * noise
    return z


# Where what the base leaves is decided: three levels in four are drawn from here.
BUSY_TOP, BUSY_BOTTOM, BUSY_SHARE = 6.0, -6.0, 0.75


def draw_candidates(
    count: int, conditional: Conditional, batch: int, generator: torch.Generator | None
) -> tuple[Float[Tensor, "b n"], Int64[Tensor, "b"]]:
    """Levels among which the classifier is to tell the true one, and which one that is (its index).

    An exchangeable set, or the classifier learns the habits of the draw: first the set (clean and pure noise always in it,
    half of the rest anywhere, half close together, by distances of every order of magnitude), then the true one uniformly
    among them.
    """
    inner = count - 2
    top, bottom = conditional.top, conditional.bottom
    busy_top, busy_bottom = min(top, BUSY_TOP), max(bottom, BUSY_BOTTOM)

    on = generator.device if generator else None

    def anywhere(number: int) -> Tensor:
        busy = torch.rand(batch, number, generator=generator, device=on) < BUSY_SHARE
        u = torch.rand(batch, number, generator=generator, device=on)
        return torch.where(busy, busy_bottom + u * (busy_top - busy_bottom), bottom + u * (top - bottom))

    distance = 10 ** (-2.5 * torch.rand(batch, 1, generator=generator, device=on))
    close = anywhere(1) + distance * torch.randn(batch, inner - inner // 2, generator=generator, device=on)
    ends = torch.tensor([[math.inf, -math.inf]], device=on).expand(batch, 2)
    levels = torch.cat([ends, anywhere(inner // 2), close.clamp(bottom, top)], 1)
    return levels, torch.randint(count, (batch,), generator=generator, device=on)


def level_weight(lambda_: Float[Tensor, "b"], conditional: Conditional) -> Float[Tensor, "b"]:
    """What makes errors at drawn levels count evenly in log-SNR, as the likelihood does; 0 at both ends."""
    top, bottom = conditional.top, conditional.bottom
    busy_top, busy_bottom = min(top, BUSY_TOP), max(bottom, BUSY_BOTTOM)
    busy = (lambda_ >= busy_bottom) & (lambda_ <= busy_top)
    density = (1 - BUSY_SHARE) + BUSY_SHARE * busy * (top - bottom) / (busy_top - busy_bottom)
    return torch.where(torch.isfinite(lambda_), 1 / density, 0.0)
