"""Ancestral sampling of DDPM (Ho et al. 2020, eq. 6-7): the mean and variance of q(x_s | x_k, x_0).

With a stride the reference still takes the one-step beta_k, and so do we: its published samples are made that way.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..schedules import Schedule
from . import DrawNoise, PredictNoise
from .steps import predicted_clean, steps

NAME, FLOW = "ddpm", False


def sample(
    predict_noise: PredictNoise, schedule: Schedule, x: Tensor, num_steps: int, draw_noise: DrawNoise
) -> Iterator[Tensor]:
    alpha, sigma = (table.to(x) for table in schedule.alpha_sigma())
    alpha_bar = alpha.square()
    beta = torch.cat([alpha_bar.new_zeros(1), 1 - alpha_bar[1:] / alpha_bar[:-1]])
    for step in steps(schedule, num_steps):
        yield x
        k, s = step.k, step.k_next
        x_0 = predicted_clean(x, predict_noise(x, k), alpha[k], sigma[k])
        if s is None:
            x = x_0
            continue
        variance_k, variance_s = sigma[k].square(), sigma[s].square()
        mean = alpha[s] * beta[k] / variance_k * x_0 + (1 - beta[k]).sqrt() * variance_s / variance_k * x
        x = mean + (variance_s / variance_k * beta[k]).sqrt() * draw_noise()
    yield x
