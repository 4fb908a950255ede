"""Levels evenly spaced in log-SNR: alpha_bar_k = sigmoid(lambda_k), lambda from `top` down to `bottom`.

Even spacing makes neighbouring levels about equally hard to tell apart, and makes the knots of the likelihood identity
(`identity.py`) evenly spaced too. `top` belongs at sigma <= quantum / 200, so that nothing of the likelihood is cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from .linear import VariancePreserving


@dataclass(frozen=True, kw_only=True)
class LogSnrUniform(VariancePreserving):
    """Noisy levels at evenly spaced log-SNR, from `top` (nearly clean) down to `bottom`."""

    kind: ClassVar[str] = "log-snr-uniform"
    num_steps: int = 100
    top: float = 16.0
    bottom: float = -8.0

    def alpha_bar(self) -> Tensor:
        """The sigmoid of each level's log-SNR."""
        return torch.sigmoid(torch.linspace(self.top, self.bottom, self.num_steps, dtype=torch.float64))

    def alpha_sigma(self) -> tuple[Tensor, Tensor]:
        """sigma from the sigmoid's other side: 1 - alpha_bar would lose its digits at high SNR."""
        log_snr = torch.linspace(self.top, self.bottom, self.num_steps, dtype=torch.float64)
        end = torch.tensor([torch.inf], dtype=torch.float64)
        log_snr = torch.cat([end, log_snr, -end])
        return torch.sigmoid(log_snr).sqrt(), torch.sigmoid(-log_snr).sqrt()


SCHEDULE = LogSnrUniform
