"""Sampling: from noise to the last estimate of x_0, in a few steps along the cosine schedule.

    x_0     = (x - sigma e_hat) / alpha
    x_next  = alpha' x_0 + sqrt(sigma'^2 - eta^2 tau^2) e_hat + eta tau z,   tau^2 = sigma'^2 / sigma^2 (1 - alpha^2 / alpha'^2)

eta = 1 is DDPM, eta = 0 DDIM (Song et al. 2021, eq. 12 and 16). What is returned is the last x_0, not the last, still
noisy, x. Classifier-free guidance mixes e_hat with and without condition, and may rescale the mixture to the deviation of
the conditional one (Ho, Salimans 2022; Lin et al. 2024, section 3.4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from .schedule import CosineSchedule, alpha_sigma

Latent = Float[Tensor, "_b _c _h _w"]
Time = Float[Tensor, "_b"]


@dataclass(frozen=True, eq=False)
class Step:
    """The state after one denoising step.

    Arguments:
        t: timestep given to the network.
        x: after the step, still noisy.
        x_0: as estimated in it.
        noise: as estimated in it.
    """

    t: Time
    x: Latent
    x_0: Latent
    noise: Latent


PredictNoise = Callable[[Tensor, Tensor, float], Tensor]
DrawNoise = Callable[[], Tensor]


def steps(
    predict: PredictNoise,
    schedule: CosineSchedule,
    x: Latent,
    num_steps: int,
    draw: DrawNoise,
    *,
    eta: float = 1.0,
    start: float = 1.0,
) -> Iterator[Step]:
    """Yield every step from time `start` to 0.

    Arguments:
        predict: (x, timestep, t on the grid) -> noise; the network takes the timestep, schedules of guidance take t.
        draw: as much noise as x; called once a step where eta > 0.
    """
    grid = torch.linspace(start, 0.0, num_steps + 1, dtype=torch.float32, device=x.device)
    log_snr = schedule.log_snr(grid)
    alpha, sigma = alpha_sigma(log_snr)
    timesteps = schedule.inverse(log_snr)
    for i in range(num_steps):
        t = timesteps[i].expand(len(x))
        noise = predict(x, t, float(grid[i]))
        x_0 = (x - sigma[i] * noise) / alpha[i]
        tau = eta * (sigma[i + 1] / sigma[i]) * (1 - (alpha[i] / alpha[i + 1]).square()).clamp(min=0).sqrt()
        x = alpha[i + 1] * x_0 + (sigma[i + 1].square() - tau.square()).clamp(min=0).sqrt() * noise
        if eta > 0:
            x = x + tau * draw()
        yield Step(t, x, x_0, noise)


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """Classifier-free guidance.

    Arguments:
        scale: e = e_uncond + scale (e_cond - e_uncond); 1 is none, and costs one evaluation instead of two.
        at_end: scale at t = 0, linear in t; None keeps `scale`.
        rescale: 0 leaves the mixture, 1 gives it the standard deviation of the conditional estimate.
        by_sample: deviations of each sample, so that it does not depend on its batch mates; the reference takes the batch's.
        since, until: outside of these times there is no guidance.
    """

    scale: float = 4.0
    at_end: float | None = None
    rescale: float = 0.7
    by_sample: bool = True
    since: float = 0.0
    until: float = 1.0

    def at(self, t: float) -> float:
        """The guidance scale at time t."""
        if not self.since <= t <= self.until:
            return 1.0
        return self.scale if self.at_end is None else self.scale * t + self.at_end * (1 - t)

    @property
    def is_needed(self) -> bool:
        """Whether any time needs the unconditional estimate."""
        return self.scale != 1.0 or self.at_end not in (None, 1.0)

    def mix(self, with_condition: Latent, without: Latent, t: float) -> Latent:
        """Mix the conditional and the unconditional noise estimate at time t, and rescale the mixture."""
        mixed = torch.lerp(without, with_condition, self.at(t))
        if self.rescale == 0:
            return mixed
        axes = tuple(range(1, mixed.ndim)) if self.by_sample else tuple(range(mixed.ndim))
        target, actual = (e.std(axes, keepdim=True) for e in (with_condition, mixed))
        return self.rescale * (mixed * target / (actual + 1e-9)) + (1 - self.rescale) * mixed


def seeded_noise(
    seeds: list[int], shape: tuple[int, int, int], device: torch.device | str = "cpu"
) -> Callable[[], Tensor]:
    """A function that draws noise `[b, c, h, w]`, each sample from its own seed, so that batch mates do not matter."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    return lambda: torch.stack([torch.randn(shape, generator=g) for g in generators]).to(device)
