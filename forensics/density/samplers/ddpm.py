"""Ancestral sampling of DDPM (Ho et al. 2020, eq. 6-7): the mean and variance of q(x_s | x_k, x_0).

From level k to a visited level s further down, beta = 1 - alpha_bar_k / alpha_bar_s. The reference takes the one-step
beta_k even where it skips levels (`as_published`; the two agree when none is skipped).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..schedules import Schedule
from . import DrawNoise, PredictNoise, Sampler
from .steps import predicted_clean, steps


def sample(
    predict_noise: PredictNoise, schedule: Schedule, x: Tensor, num_steps: int, draw_noise: DrawNoise
) -> Iterator[Tensor]:
    """Yield x at each visited level, then the clean image, with the exact posterior where levels are skipped."""
    return _ancestral(predict_noise, schedule, x, num_steps, draw_noise, lambda k, s: (k, s))


def as_published(
    predict_noise: PredictNoise, schedule: Schedule, x: Tensor, num_steps: int, draw_noise: DrawNoise
) -> Iterator[Tensor]:
    """With the reference's beta: for comparing with its numbers."""
    return _ancestral(predict_noise, schedule, x, num_steps, draw_noise, lambda k, s: (k, k - 1))


def _ancestral(
    predict_noise: PredictNoise,
    schedule: Schedule,
    x: Tensor,
    num_steps: int,
    draw_noise: DrawNoise,
    levels_of_beta: Callable[[int, int], tuple[int, int]],
) -> Iterator[Tensor]:
    alpha, sigma = (table.to(x) for table in schedule.alpha_sigma())
    variance = sigma.square()
    for step in steps(schedule, num_steps):
        yield x
        k, s = step.k, step.k_next
        x_0 = predicted_clean(x, predict_noise(x, k), alpha[k], sigma[k])
        if s is None:
            x = x_0
            continue
        noisier, cleaner = levels_of_beta(k, s)
        # Not 1 - alpha_bar_k / alpha_bar_s: at high SNR both are 1 in float32, and every step would shrink x.
        beta = (variance[noisier] - variance[cleaner]) / alpha[cleaner].square()
        mean = alpha[s] * beta / variance[k] * x_0 + torch.sqrt(1 - beta) * variance[s] / variance[k] * x
        x = mean + (variance[s] / variance[k] * beta).sqrt() * draw_noise()
    yield x


SAMPLER = Sampler("ddpm", False, sample)
