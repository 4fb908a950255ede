"""What stages B and C learn: the noise in a latent at a uniformly drawn time, by mean squared error.

A network whose output is the velocity learns that: v_hat - v = (e_hat - e) / alpha, so its error counts 1 / alpha^2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..schedule import CosineSchedule, add_noise, alpha_sigma
from ..stages.unet import Parametrisation

EARLIEST = 1e-3
TIMES = 8  # at which held-out latents are measured


@dataclass(frozen=True, eq=False)
class DenoisingLosses:
    """The loss to minimise, and the error of the noise estimate."""

    total: Float[Tensor, ""]
    mse: Float[Tensor, ""]


@dataclass(frozen=True, eq=False)
class Noised:
    """A batch of noisy latents.

    Arguments:
        x: the noisy latent.
        timestep: what the network is given for t.
        alpha: the factor of the clean latent in x.
    """

    x: Float[Tensor, "_b _c _h _w"]
    timestep: Float[Tensor, "_b"]
    alpha: Float[Tensor, "_b"]


def draw_times(count: int, generator: torch.Generator) -> Float[Tensor, "_b"]:
    """Times drawn uniformly in `EARLIEST`..1."""
    return torch.rand(count, generator=generator, device=generator.device).clamp(min=EARLIEST)


def noise_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Gaussian noise of the same shape, on the generator's device."""
    return torch.randn(x.shape, generator=generator, device=generator.device)


def mean_over_times(error: Callable[[Tensor], Tensor]) -> float:
    """The mean of an error over `TIMES` evenly spaced times."""
    return sum(float(error(t)) for t in torch.linspace(0.05, 0.95, TIMES)) / TIMES


def noised(x_0: Tensor, noise: Tensor, t: Tensor, shift: float = 1.0) -> Noised:
    """Add noise to latents at times t of the schedule."""
    schedule = CosineSchedule(shift=shift)
    log_snr = schedule.log_snr(t)
    return Noised(add_noise(x_0, noise, log_snr), schedule.inverse(log_snr), alpha_sigma(log_snr)[0])


def losses(predicted: Tensor, noise: Tensor, at: Noised, parametrisation: Parametrisation = "noise") -> DenoisingLosses:
    """Mean squared errors of a noise estimate.

    Arguments:
        predicted: e_hat, whatever the parametrisation.
    """
    by_sample = (predicted - noise).square().mean((1, 2, 3))
    mse = by_sample.mean()
    total = mse if parametrisation == "noise" else (by_sample / at.alpha.square()).mean()
    return DenoisingLosses(total, mse.detach())
