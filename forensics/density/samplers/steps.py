"""Which levels a diffusion sampler visits: every (K // n)-th from the noisiest down to 1, as in the reference."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from ..schedules import Schedule


@dataclass(frozen=True)
class Step:
    """From level k to k_next; None means: the predicted clean image is the result. k_before is the noisier level visited last."""

    k: int
    k_next: int | None
    k_before: int


def steps(schedule: Schedule, num_steps: int) -> list[Step]:
    """With n not dividing K there are a few steps more than asked for, the reference's habit too."""
    num_noisy = schedule.num_levels - 2
    visited = list(range(1, num_noisy + 1, max(num_noisy // num_steps, 1)))[::-1]
    following: list[int | None] = [*visited[1:], None]
    previous = [schedule.noise, *visited[:-1]]
    return [Step(*levels) for levels in zip(visited, following, previous, strict=True)]


def predicted_clean(x: Tensor, e_hat: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """x_0 = (x_k - sigma_k e_hat) / alpha_k."""
    return (x - sigma * e_hat) / alpha
