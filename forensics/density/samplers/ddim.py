"""DDIM with eta = 0 (Song, Meng, Ermon 2021, eq. 12): x_s = alpha_s x_0 + sigma_s e_hat."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..schedules import Schedule
from . import DrawNoise, PredictNoise, Sampler
from .steps import predicted_clean, steps


def sample(
    predict_noise: PredictNoise, schedule: Schedule, x: Tensor, num_steps: int, draw_noise: DrawNoise
) -> Iterator[Tensor]:
    """Yield x at each visited level, then the clean image; deterministic, `draw_noise` is unused."""
    alpha, sigma = (table.to(x) for table in schedule.alpha_sigma())
    for step in steps(schedule, num_steps):
        yield x
        e_hat = predict_noise(x, step.k)
        x_0 = predicted_clean(x, e_hat, alpha[step.k], sigma[step.k])
        x = x_0 if step.k_next is None else alpha[step.k_next] * x_0 + sigma[step.k_next] * e_hat
    yield x


SAMPLER = Sampler("ddim", False, sample)
