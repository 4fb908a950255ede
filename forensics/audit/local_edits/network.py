"""The network: from the description of a region to the log-odds that it was edited.

Several small ones, each with its own beginning and its own dropout, answer together.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .regions import SUMS
from .traces import num_traces

FARTHEST = 6.0  # deviations at which a description is cut: beyond, none was learnt from
LEAST_STD = 1e-3


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """How many networks answer together, and how wide each is."""

    members: int = 4
    width: int = 96
    narrow: int = 32
    dropout: float = 0.2

    def as_record(self) -> dict[str, Any]:
        """The options as JSON knows them."""
        return asdict(self)


class RegionNetwork(nn.Module):
    """Log-odds that regions were edited, from their descriptions."""

    def __init__(self, options: NetworkOptions) -> None:
        super().__init__()
        self.options = options
        num = SUMS * num_traces()
        self.mean = nn.Buffer(torch.zeros(num))
        self.std = nn.Buffer(torch.ones(num))
        self.members = nn.ModuleList(_member(num, options) for _ in range(options.members))

    @torch.no_grad()
    def fit_scale(self, descriptions: Float[Tensor, "n d"]) -> None:
        """Take mean and deviation of each number from descriptions to be learnt from."""
        self.mean.copy_(descriptions.mean(0))
        self.std.copy_(descriptions.std(0).clamp(min=LEAST_STD))

    def each(self, descriptions: Float[Tensor, "n d"]) -> Float[Tensor, "m n"]:
        """The log-odds by every member."""
        scaled = ((descriptions - self.mean) / self.std).clamp(-FARTHEST, FARTHEST)
        return torch.stack([member(scaled)[:, 0] for member in self.members])

    def forward(self, descriptions: Float[Tensor, "n d"]) -> Float[Tensor, "n"]:
        """The mean log-odds."""
        return self.each(descriptions).mean(0)


def _member(num: int, options: NetworkOptions) -> nn.Sequential:
    return nn.Sequential(
        nn.Dropout(options.dropout),
        nn.Linear(num, options.width),
        nn.GELU(),
        nn.Dropout(options.dropout),
        nn.Linear(options.width, options.narrow),
        nn.GELU(),
        nn.Linear(options.narrow, 1),
    )
