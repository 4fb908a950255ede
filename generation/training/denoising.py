"""What stages B and C learn: the noise in a latent at a uniformly drawn time, by mean squared error."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ..schedule import CosineSchedule, add_noise

EARLIEST = 1e-3


@dataclass(frozen=True, eq=False)
class DenoisingLosses:
    total: Float[Tensor, ""]
    mse: Float[Tensor, ""]


@dataclass(frozen=True, eq=False)
class Noised:
    """Arguments:
    x: the noisy latent.
    told: what the network is told.
    """

    x: Float[Tensor, "_b _c _h _w"]
    told: Float[Tensor, "_b"]


def draw_times(count: int, generator: torch.Generator) -> Float[Tensor, "_b"]:
    return torch.rand(count, generator=generator).clamp(min=EARLIEST)


def noised(x_0: Tensor, noise: Tensor, t: Tensor, shift: float = 1.0) -> Noised:
    schedule = CosineSchedule(shift=shift)
    log_snr = schedule.log_snr(t)
    return Noised(add_noise(x_0, noise, log_snr), schedule.inverse(log_snr))


def losses(found: Tensor, noise: Tensor) -> DenoisingLosses:
    mse = (found - noise).square().mean()
    return DenoisingLosses(mse, mse.detach())
