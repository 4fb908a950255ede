"""What a pyramid shows of an image besides its likelihood: gaps, ratios, scores, surprise, and what it sees behind noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from . import haar
from .base import log_normal_map
from .conditional import alpha_sigma_at
from .identity import from_gains
from .scales import Scale
from .surprise import Spectrum, error_maps

if TYPE_CHECKING:
    from .pyramid import Pyramid


@dataclass(frozen=True, eq=False)
class View:
    """One scale of an image as one forward pass shows it, by position.

    Arguments:
        likelihood: nats of grey levels; all positions of all scales add up to log p(x).
        gap: nats by which the base is surprised beyond what it expected for this content; positive is rougher.
        ratios: log p_lambda - log N at the clean image and at every knot; nats.
        dims: how many details there are.
    """

    likelihood: Float[Tensor, "b p q"]
    gap: Float[Tensor, "b p q"]
    ratios: Float[Tensor, "b k p q"]
    dims: Float[Tensor, "p q"]


@torch.no_grad()
def views(pyramid: Pyramid, x: Float[Tensor, "b c h w"], generator: torch.Generator | None = None) -> list[View]:
    """All that one forward pass shows, scale by scale, finest first."""
    found = []
    for scale in pyramid.split(x):
        network = scale.conditional
        z, log_base, of_a_draw = network.base.compared(scale.details, scale.known, generator)
        ratios = network.log_ratio_map(z, scale.known)
        likelihood = log_base + ratios[:, 0] - scale.log_quantum
        found.append(View(likelihood, of_a_draw - log_base, ratios, scale.present.sum(0)))
    return found


def gaps(
    pyramid: Pyramid, x: Float[Tensor, "b c h w"], generator: torch.Generator | None = None
) -> Float[Tensor, "b scales"]:
    """Nats a dimension by which the base is surprised beyond what it expected for this content; one forward pass.

    Positive is rougher than expected, negative smoother (Cozzolino et al. 2024, "Zero-shot detection", without a coder).
    """
    return torch.stack([view.gap.flatten(1).sum(1) / view.dims.sum() for view in views(pyramid, x, generator)], 1)


def log_ratios(pyramid: Pyramid, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b scales levels"]:
    """G per dimension at the clean image and at every knot, finest scale first: how it looks through every noise."""
    return torch.stack([view.ratios.flatten(2).sum(2) / view.dims.sum() for view in views(pyramid, x)], 1)


def score_norms(
    pyramid: Pyramid, x: Float[Tensor, "b c h w"], lambdas: Float[Tensor, "levels"]
) -> Float[Tensor, "b scales levels"]:
    """Root mean square of the score sigma * grad log p_lambda at the image itself (MSMA, Mahmood et al. 2021)."""
    norms = []
    for scale in pyramid.split(x):
        z = scale.to_normal()
        for lambda_ in lambdas:
            e_hat = scale.conditional.predict_noise(z, scale.known, lambda_.expand(len(z)), scale.present)
            norms.append((e_hat.square().flatten(1).sum(1) / scale.num_dims).sqrt())
    result: Float[Tensor, "b scales levels"] = torch.stack(norms, 1).unflatten(1, (-1, len(lambdas)))
    return result


def surprise(
    pyramid: Pyramid,
    x: Float[Tensor, "b c h w"],
    lambdas: Float[Tensor, "levels"],
    *,
    draws: int = 1,
    generator: torch.Generator | None = None,
) -> Spectrum:
    """The denoiser's errors beside those the model expects (`surprise`); two backward passes a level and draw."""
    pairs = []
    for scale in pyramid.split(x):
        z = scale.to_normal()
        for lambda_ in lambdas.tolist():
            maps = [
                error_maps(scale.conditional, z, scale.known, scale.present, lambda_, generator) for _ in range(draws)
            ]
            sums = [torch.stack([part.flatten(1).sum(1) for part in pair]) for pair in maps]
            pairs.append(torch.stack(sums).mean(0) / scale.num_dims)
    actual, predicted = torch.stack(pairs, 2).unflatten(2, (-1, len(lambdas)))
    return Spectrum(lambdas, actual, predicted)


@torch.no_grad()
def denoise(
    pyramid: Pyramid, x: Float[Tensor, "b c h w"], lambda_: float, generator: torch.Generator | None = None
) -> Float[Tensor, "b c h w"]:
    """What the model sees behind noise of this log-SNR, put on every scale by itself: `x - denoise(x)` is what it misses.

    Each scale is estimated (MMSE of z) given the image's own coarser one.
    """
    scales = pyramid.split(x)
    estimates = []
    for scale in scales:
        z = scale.to_normal()
        levels = torch.full((len(z),), float(lambda_), dtype=z.dtype)
        alpha, sigma = alpha_sigma_at(lambda_)
        noise = torch.randn(z.shape, generator=generator).to(z) * scale.present
        noisy = scale.conditional.add_noise(z, levels, noise, scale.present)
        e_hat = scale.conditional.predict_noise(noisy, scale.known, levels, scale.present)
        estimates.append(scale.from_normal((noisy - sigma * e_hat) / alpha))
    coarse = estimates.pop()
    for scale, details in zip(reversed(scales[:-1]), reversed(estimates), strict=True):
        coarse = haar.join(coarse, details, scale.size)
    return pyramid.in_grey(coarse)


def identity_log_likelihoods(
    pyramid: Pyramid,
    x: Float[Tensor, "b c h w"],
    *,
    num_knots: int = 40,
    draws: int = 1,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "b scales"]:
    """The same terms as the model's own denoiser can justify them (`identity`), finest first, nats."""
    return torch.stack([_identity(scale, num_knots, draws, generator) for scale in pyramid.split(x)], 1)


@torch.no_grad()
def _identity(scale: Scale, num_knots: int, draws: int, generator: torch.Generator | None) -> Tensor:
    """log p(d | c) of one scale in nats: the base's, and what its own denoiser can justify of the rest (`identity`)."""
    conditional = scale.conditional
    z, log_base = conditional.to_normal(scale.details, scale.known)
    lambdas = torch.linspace(conditional.bottom, conditional.top, num_knots, device=z.device)
    gains = []
    for lambda_ in lambdas:
        levels = lambda_.expand(len(z))
        error = torch.zeros(len(z), device=z.device)
        for _ in range(draws):
            noise = torch.randn(z.shape, generator=generator).to(z) * scale.present
            noisy = conditional.add_noise(z, levels, noise, scale.present)
            e_hat = conditional.predict_noise(noisy, scale.known, levels, scale.present)
            error += (noise - e_hat).square().flatten(1).sum(1) / draws
        gains.append(scale.num_dims * torch.sigmoid(lambda_) - error)
    white = (log_base - log_normal_map(z, scale.present) - scale.log_quantum).flatten(1).sum(1)
    return from_gains(lambdas, torch.stack(gains), scale.num_dims) + white
