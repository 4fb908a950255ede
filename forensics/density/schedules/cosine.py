"""The cosine schedule (Nichol and Dhariwal 2021, eq. 17): alpha_bar(t) = cos^2((t + s) / (1 + s) * pi / 2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from .linear import VariancePreserving


@dataclass(frozen=True, kw_only=True)
class Cosine(VariancePreserving):
    """beta is clipped at `beta_max`, as published, so that alpha_bar_K stays above zero."""

    kind: ClassVar[str] = "cosine"
    num_steps: int = 1000
    offset: float = 0.008
    beta_max: float = 0.999

    def alpha_bar(self) -> Tensor:
        """Products of 1 - beta_k from the squared cosine, with beta_k at most `beta_max`."""
        t = torch.linspace(0, 1, self.num_steps + 1, dtype=torch.float64)
        f = torch.cos((t + self.offset) / (1 + self.offset) * math.pi / 2) ** 2
        beta = (1 - f[1:] / f[:-1]).clamp(max=self.beta_max)
        return torch.cumprod(1 - beta, 0)


SCHEDULE = Cosine
