"""What the variance-preserving schedules share: alpha_k^2 + sigma_k^2 = 1, given by alpha_bar_k = alpha_k^2.

K noisy levels 1..K, with the clean image at 0 and pure noise at K + 1. `linear` is the schedule of DDPM (Ho et al. 2020):
beta rises linearly, alpha_bar_k = prod (1 - beta_i).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


class VariancePreserving(ABC):
    """Levels 0 (clean), 1..K, K + 1 (noise); a subclass gives alpha_bar_1..K, strictly falling."""

    num_steps: int

    @abstractmethod
    def alpha_bar(self) -> Tensor:
        """alpha_bar_1 .. alpha_bar_K."""

    @property
    def num_levels(self) -> int:
        """`num_steps` noisy levels, the clean image and pure noise."""
        return self.num_steps + 2

    @property
    def clean(self) -> int:
        """Index 0, where sigma = 0."""
        return 0

    @property
    def noise(self) -> int:
        """The last index, where alpha = 0."""
        return self.num_steps + 1

    def alpha_sigma(self) -> tuple[Tensor, Tensor]:
        """The square roots of alpha_bar and 1 - alpha_bar, with the clean image and pure noise at the ends."""
        alpha_bar = torch.cat(
            [torch.ones(1, dtype=torch.float64), self.alpha_bar(), torch.zeros(1, dtype=torch.float64)]
        )
        return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()


@dataclass(frozen=True, kw_only=True)
class Linear(VariancePreserving):
    """beta_k from `beta_start` to `beta_end` (DDPM, section 4; the published CDM)."""

    kind: ClassVar[str] = "linear"
    num_steps: int = 1000
    beta_start: float = 1e-4
    beta_end: float = 0.02

    def alpha_bar(self) -> Tensor:
        """Products of 1 - beta_k, with beta rising linearly from `beta_start` to `beta_end`."""
        return torch.cumprod(1 - torch.linspace(self.beta_start, self.beta_end, self.num_steps, dtype=torch.float64), 0)


SCHEDULE = Linear
