"""The cross-check on a claimed likelihood: what the model's own denoiser can justify (Kong, Brekelmans, Ver Steeg 2023, eq. 9).

    -log p(x) = n/2 log(2 pi e) - 1/2 * integral over lambda of ( n sigmoid(lambda) - E|e - e_hat|^2 ) d lambda

Equality for the exact denoiser; for a learned one the mean over held-out data is an upper bound. The one-pass value is
an estimate that a constant added to F_clean would game, this is not. Outside the knots the error is taken as
n sigmoid(lambda), that is, as no gain at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from .schedules import log_snr

if TYPE_CHECKING:
    from .flat import Flat


def identity_log_likelihood(
    model: Flat,
    x: Float[Tensor, "b c h w"],
    *,
    labels: Tensor | None = None,
    max_knots: int = 128,
    draws: int = 1,
    generator: torch.Generator | None = None,
) -> Float[Tensor, "b"]:
    """log p(x) in nats by the denoiser's errors; noisy for one image, unbiased over the noise.

    Arguments:
        max_knots: levels used, evenly chosen among the schedule's noisy ones.
        draws: noise draws a level.
    """
    num_dims = x[0].numel()
    lambdas, gains = zip(*_gains(model, x, labels, max_knots, draws, generator), strict=True)
    return from_gains(torch.tensor(lambdas, dtype=torch.float64), torch.stack(gains), num_dims)


def from_gains(lambda_: Float[Tensor, "knots"], gains: Float[Tensor, "knots b"], num_dims: int) -> Float[Tensor, "b"]:
    """log p(x) in nats from n sigmoid(lambda) - |e - e_hat|^2 at rising log-SNR."""
    integral = torch.trapezoid(gains.double(), lambda_.double(), dim=0)
    return (-0.5 * num_dims * math.log(2 * math.pi * math.e) + 0.5 * integral).float()


def knots(model: Flat, max_knots: int) -> list[int]:
    """Levels with finite log-SNR, in rising order of it, evenly thinned to `max_knots`."""
    lambda_ = log_snr(model.schedule)
    levels = [int(k) for k in torch.argsort(lambda_) if math.isfinite(float(lambda_[k]))]
    if len(levels) <= max_knots:
        return levels
    # Evenly in log-SNR, not in index: schedules like DDPM's crowd their levels at low SNR.
    grid = torch.linspace(float(lambda_[levels[0]]), float(lambda_[levels[-1]]), max_knots, dtype=torch.float64)
    nearest = torch.searchsorted(lambda_[levels].contiguous(), grid).clamp(max=len(levels) - 1)
    return [levels[i] for i in sorted(set(nearest.tolist()))]


def _gains(
    model: Flat, x: Tensor, labels: Tensor | None, max_knots: int, draws: int, generator: torch.Generator | None
) -> Iterator[tuple[float, Tensor]]:
    """lambda_k and n sigmoid(lambda_k) - |e - e_hat|^2 for each knot, by rising log-SNR."""
    lambda_ = log_snr(model.schedule)
    num_dims = x[0].numel()
    for level in knots(model, max_knots):
        k = torch.full((len(x),), level, device=x.device)
        error = torch.zeros(len(x), device=x.device)
        for _ in range(draws):
            noise = torch.randn(x.shape, generator=generator).to(x)
            e_hat = model.predict_noise(model.add_noise(x, k, noise), k, labels)
            error += (noise - e_hat).square().flatten(1).sum(1) / draws
        yield float(lambda_[level]), num_dims * torch.sigmoid(lambda_[level]).float() - error.cpu()


# Twice the integral of phi^2 / Phi over the real line: what two edges of a quantum give away (see below).
TWO_EDGES = 1.8064


def looseness_of_cut(model: Flat) -> float:
    """Bits/dim that cutting at the top knot can cost at most.

    Data that is uniform within a quantum q has E|e_hat|^2 = (sigma / q) * 2 * integral of phi^2 / Phi per dimension
    once sigma << q, and that is the gain; half its integral over lambda from the knot up is that same number in nats.
    """
    top = knots(model, 2)[-1]
    alpha, sigma = model.schedule.alpha_sigma()
    return TWO_EDGES * float(sigma[top] / alpha[top]) / model.quanta.finest / math.log(2)
