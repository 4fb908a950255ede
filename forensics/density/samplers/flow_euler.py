"""Euler steps along the straight path of flow matching (CDM, section 4.2): x_tau = tau x_0 + (1 - tau) e.

Its velocity is dx/dtau = (x - e_hat) / tau. Any schedule becomes that path once its radius is taken out:
x_k / (alpha_k + sigma_k) lies at tau_k = alpha_k / (alpha_k + sigma_k). So one sampler serves both families.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..schedules import Schedule
from . import DrawNoise, PredictNoise, Sampler
from .steps import steps


def sample(
    predict_noise: PredictNoise, schedule: Schedule, x: Tensor, num_steps: int, draw_noise: DrawNoise
) -> Iterator[Tensor]:
    """Yield x at each visited level, then the clean image; deterministic, `draw_noise` is unused."""
    alpha, sigma = (levels.to(x) for levels in schedule.alpha_sigma())
    radius = alpha + sigma
    tau = alpha / radius
    for k, after, radius_after in _path(schedule, tau, radius, num_steps):
        yield x
        straight = euler_step(x / radius[k], predict_noise(x, k), after - tau[k], tau[k])
        x = straight * radius_after
    yield x


def euler_step(x: Tensor, e_hat: Tensor, step: Tensor, tau: Tensor) -> Tensor:
    """x + (d tau / tau) (x - e_hat)."""
    return x + step / tau * (x - e_hat)


def _path(schedule: Schedule, tau: Tensor, radius: Tensor, num_steps: int) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Level, and tau and radius after it. Flow matching takes equal steps up to sigma_min, as the reference does."""
    if schedule.noise == 0:
        stride = max(schedule.num_levels // num_steps, 1)
        equal = tau[stride] - tau[0]
        yield from ((k, tau[k] + equal, radius[k]) for k in range(1, schedule.num_levels, stride))
        return
    clean = torch.ones_like(tau[0])
    for k, k_next in ((step.k, step.k_next) for step in steps(schedule, num_steps)):
        yield (k, clean, clean) if k_next is None else (k, tau[k_next], radius[k_next])


SAMPLER = Sampler("flow-euler", None, sample)
