"""DPM-Solver, second order, multistep, in its Taylor form (Lu et al. 2022, eq. 3.5 with n = 2; the reference's solver).

With lambda = log(alpha / sigma), h = lambda_s - lambda_k and the slope D = (e_k - e_before) / (lambda_k - lambda_before):

    x_s = alpha_s / alpha_k x - sigma_s (exp(h) - 1) e_k - sigma_s (exp(h) - 1 - h) D

The first step has no slope yet and is DDIM's.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..schedules import Schedule
from . import DrawNoise, PredictNoise, Sampler
from .steps import predicted_clean, steps


def sample(
    predict_noise: PredictNoise, schedule: Schedule, x: Tensor, num_steps: int, draw_noise: DrawNoise
) -> Iterator[Tensor]:
    """Yield x at each visited level, then the clean image; deterministic, `draw_noise` is unused."""
    alpha, sigma = (table.to(x) for table in schedule.alpha_sigma())
    lambda_ = torch.log(alpha / sigma)
    e_before: Tensor | None = None
    for step in steps(schedule, num_steps):
        yield x
        k, s = step.k, step.k_next
        e_k = predict_noise(x, k)
        if s is None:
            x = predicted_clean(x, e_k, alpha[k], sigma[k])
            continue
        h = lambda_[s] - lambda_[k]
        x = alpha[s] / alpha[k] * x - sigma[s] * torch.expm1(h) * e_k
        if e_before is not None:
            slope = (e_k - e_before) / (lambda_[k] - lambda_[step.k_before])
            x = x - sigma[s] * (torch.expm1(h) - h) * slope
        e_before = e_k
    yield x


SAMPLER = Sampler("dpm-solver-2", False, sample)
