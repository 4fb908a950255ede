"""Stored pixel values and the model's values: dequantise, standardise, and count bits (docs/method.md).

A density fitted to whole numbers is meaningless, so uniform noise of one quantum is always added:
x = (v + u - mean) / std with u in [0, 1). Then -log2 p(x) + log2(std), per dimension, is on average an upper bound on
the code length of v. mean = std = 2^(bits - 1) is the reference's range [-1, 1] and its "+ 7" at 8 bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Float, Integer
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Quanta:
    """Arguments in units of one stored step (grey level); one value for all channels or one each."""

    bits: int = 8
    mean: Sequence[float] = (128.0,)
    std: Sequence[float] = (128.0,)

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            object.__setattr__(self, name, tuple(float(value) for value in getattr(self, name)))

    def to_model(
        self, values: Integer[Tensor, "b c h w"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "b c h w"]:
        """Dequantised and standardised model values."""
        noise = torch.rand(values.shape, generator=generator, dtype=torch.float32).to(values.device)
        return (values.float() + noise - self._per_channel(self.mean, values)) / self._per_channel(self.std, values)

    def to_values(self, x: Float[Tensor, "b c h w"]) -> Integer[Tensor, "b c h w"]:
        """The stored values whose quantum x lies in, clipped to the range."""
        values = torch.floor(x * self._per_channel(self.std, x) + self._per_channel(self.mean, x))
        return values.clamp(0, 2**self.bits - 1).to(torch.int64)

    def bits_per_dim(self, log_likelihood: Float[Tensor, "b"], num_dims: int) -> Float[Tensor, "b"]:
        """Nats of model values -> bits per dimension of stored values."""
        log2_std = sum(math.log2(value) for value in self.std) / len(self.std)
        return -log_likelihood / (num_dims * math.log(2)) + log2_std

    @property
    def finest(self) -> float:
        """The largest quantum in model values: what the top knot's sigma must lie far below."""
        return 1 / min(self.std)

    def as_json(self) -> dict[str, Any]:
        """The fields as model.json keeps them."""
        return asdict(self)

    @staticmethod
    def _per_channel(values: Sequence[float], like: Tensor) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=like.device)[None, :, None, None]
