"""The cosine schedule of the cascade: x_t = alpha x_0 + sigma e, alpha^2 = sigmoid(log-SNR), t from 0 (clean) to 1 (noise).

    v(t)        = clamp(cos^2((s + t) / (1 + s) pi/2) / m, 1e-4, 0.9999),   m = cos^2(s / (1 + s) pi/2)
    log-SNR(t)  = clamp(logit v(t) - 2 ln(shift), limits of shift 1)
    t(log-SNR)  = arccos(sqrt(m sigmoid(log-SNR))) / (pi/2) (1 + s) - s      the network's timestep, not the t of the grid

Improved DDPM (Nichol, Dhariwal 2021, eq. 17); the shift is that of simple diffusion (Hoogeboom et al. 2023, section 3.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

OFFSET = 0.008
LEAST, MOST = 1e-4, 0.9999
AT_ZERO = math.cos(OFFSET / (1 + OFFSET) * math.pi / 2) ** 2


@dataclass(frozen=True, kw_only=True)
class CosineSchedule:
    """The cosine noise schedule, shifted towards more noise for larger grids.

    Arguments:
        shift: factor by which noise is stronger than published, for larger grids; 1 as published.
    """

    shift: float = 1.0

    def log_snr(self, t: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """log-SNR at times 0 (clean) to 1 (noise)."""
        variance = torch.cos((OFFSET + t) / (1 + OFFSET) * math.pi / 2).square() / AT_ZERO
        plain = torch.logit(variance.clamp(LEAST, MOST))
        limit = math.log(MOST / LEAST)
        return (plain - 2 * math.log(self.shift)).clamp(-limit, limit)

    def inverse(self, log_snr: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """The timestep given to a network at this log-SNR."""
        alpha = (log_snr.sigmoid() * AT_ZERO).sqrt()
        return torch.arccos(alpha) / (math.pi / 2) * (1 + OFFSET) - OFFSET

    def timestep(self, t: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """The timestep given to a network at time t."""
        return self.inverse(self.log_snr(t))


def alpha_sigma(log_snr: Float[Tensor, "*b"]) -> tuple[Float[Tensor, "*b"], Float[Tensor, "*b"]]:
    """Factors of signal and noise at this log-SNR."""
    return log_snr.sigmoid().sqrt(), (1 - log_snr.sigmoid()).sqrt()


def add_noise(
    x_0: Float[Tensor, "b c h w"], noise: Float[Tensor, "b c h w"], log_snr: Float[Tensor, "b"]
) -> Float[Tensor, "b c h w"]:
    """x_t = alpha x_0 + sigma e, by sample."""
    alpha, sigma = (factor[:, None, None, None] for factor in alpha_sigma(log_snr))
    return alpha * x_0 + sigma * noise
