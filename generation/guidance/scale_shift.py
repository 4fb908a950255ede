"""x (1 + a) + b with (a, b) linear in an embedding, as in the blocks of the cascade itself."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


class ScaleShift(nn.Module):
    """Scale and shift by channel, linear in an embedding."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.mapper = nn.Linear(embedding, 2 * width)

    def forward(self, x: Float[Tensor, "b c h w"], embedded: Float[Tensor, "b e"]) -> Float[Tensor, "b c h w"]:
        """x (1 + a) + b, with a and b for each sample and channel."""
        a, b = self.mapper(embedded.to(self.mapper.weight.dtype))[:, :, None, None].chunk(2, dim=1)
        result: Float[Tensor, "b c h w"] = x * (1 + a) + b
        return result
