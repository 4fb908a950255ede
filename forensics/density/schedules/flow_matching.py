"""Flow matching on the optimal-transport path (Lipman et al. 2023, eq. 22), as CDM uses it.

x_t = tau x + (1 - (1 - sigma_min) tau) e with tau from 0 to 1: index 0 is noise, the last the image at sigma_min.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class FlowMatching:
    """The straight path from noise to the image at `sigma_min`, in evenly spaced steps of tau."""

    kind: ClassVar[str] = "flow-matching"
    num_steps: int = 1000
    sigma_min: float = 1e-4

    @property
    def num_levels(self) -> int:
        """`num_steps`: the two ends are among the steps."""
        return self.num_steps

    @property
    def clean(self) -> int:
        """The last index, tau = 1, where sigma is `sigma_min`."""
        return self.num_steps - 1

    @property
    def noise(self) -> int:
        """Index 0, where tau = 0."""
        return 0

    def alpha_sigma(self) -> tuple[Tensor, Tensor]:
        """alpha = tau and sigma = 1 - (1 - sigma_min) tau, for tau from 0 to 1."""
        tau = torch.linspace(0, 1, self.num_steps, dtype=torch.float64)
        return tau, 1 - (1 - self.sigma_min) * tau


SCHEDULE = FlowMatching
