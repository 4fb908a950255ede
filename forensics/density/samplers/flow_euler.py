"""Euler steps along the flow (CDM, section 4.2): the velocity at x_t is (x - e_hat) / tau, up to sigma_min."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from ..schedules import Schedule
from . import DrawNoise, PredictNoise

NAME, FLOW = "flow-euler", True


def sample(
    predict_noise: PredictNoise, schedule: Schedule, x: Tensor, num_steps: int, draw_noise: DrawNoise
) -> Iterator[Tensor]:
    tau = schedule.alpha_sigma()[0].to(x)
    stride = max(schedule.num_levels // num_steps, 1)
    step = tau[stride] - tau[0]
    for t in range(1, schedule.num_levels, stride):
        yield x
        x = euler_step(x, predict_noise(x, t), step, tau[t])
    yield x


def euler_step(x: Tensor, e_hat: Tensor, step: Tensor, tau: Tensor) -> Tensor:
    """x + (d tau / tau) (x - e_hat)."""
    return x + step / tau * (x - e_hat)
