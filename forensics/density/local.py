"""A noise-level classifier without any global operation: its output is a sum over positions.

    G_k(d, c) = sum over positions of g_k(position),    log p_k(d | c) = log N(d; 0, I) + G_k(d, c),    G_noise = 0

d is what is judged, c what is known. Convolutions and per-position operations only, so any size goes, a tile with a
margin of `reach` gives exactly the values of the whole, and g_clean + log N is a map that sums to the log-likelihood.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .haar import Window


@dataclass(frozen=True, kw_only=True)
class LocalOptions:
    """The architecture of a `LocalClassifier`.

    Arguments:
        judged: channels of d.
        known: channels of c, present masks and coordinates included.
        width, num_blocks: of the residual stack; each block sees one pixel further.
    """

    judged: int
    known: int
    width: int = 64
    num_blocks: int = 6


class LocalClassifier(nn.Module):
    """`(d [b, judged, h, w], c [b, known, h, w]) -> g [b, num_knots, h, w]`, knots from clean down to the noisiest."""

    def __init__(self, options: LocalOptions, num_knots: int) -> None:
        super().__init__()
        self.options = options
        self.in_bf16 = False  # the blocks in bf16
        width = options.width
        self.first = nn.Conv2d(options.judged + options.known, width, 3, padding=1)
        self.blocks = nn.ModuleList(Block(width) for _ in range(options.num_blocks))
        self.last = nn.Conv2d(width, num_knots, 1)

    @property
    def reach(self) -> int:
        """How many pixels around a position its value depends on."""
        return 1 + self.options.num_blocks

    def forward(
        self, d: Float[Tensor, "b judged h w"], c: Float[Tensor, "b known h w"]
    ) -> Float[Tensor, "b knots h w"]:
        """g_k by position, one channel a level from clean to the noisiest, in nats."""
        steps: Tensor = self.last(self._features(d, c))
        # As in the published model the outputs are steps between levels; here they add up from the noisy end, where G = 0.
        return steps.flip(1).cumsum(1).flip(1)

    def clean(self, d: Float[Tensor, "b judged h w"], c: Float[Tensor, "b known h w"]) -> Float[Tensor, "b h w"]:
        """g of the clean image alone: the sum of all steps, for which one output is computed instead of one a knot."""
        weight, bias = self.last.weight.sum(0, keepdim=True), self.last.bias
        assert bias is not None
        result: Float[Tensor, "b h w"] = F.conv2d(self._features(d, c), weight, bias.sum(0, keepdim=True))[:, 0]
        return result

    def _features(self, d: Tensor, c: Tensor) -> Float[Tensor, "b n h w"]:
        h = self.first(torch.cat([d, c], 1))  # in full: bf16 resolves 1/256 and would not see a quantum
        with torch.autocast(d.device.type, torch.bfloat16, enabled=self.in_bf16):
            h = h.bfloat16() if self.in_bf16 else h
            for block in self.blocks:
                h = block(h)
            features: Tensor = F.silu(h).to(d.dtype)
            return features


class Block(nn.Module):
    """x + W2 silu(W1 * silu(norm x)): 3 x 3, then 1 x 1. The norm is over channels at each position alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))
        self.spread = nn.Conv2d(width, width, 3, padding=1)
        self.mix = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.mix.weight)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """Normalise each position over its channels, convolve, and add the input."""
        scale = torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-5)
        h = self.spread(F.silu(x * scale * self.gain[:, None, None].to(x.dtype)))
        mixed: Tensor = self.mix(F.silu(h))
        return x + mixed


def tiles(height: int, width: int, side: int, margin: int) -> Iterator[tuple[Window, Window, Window]]:
    """Squares that cover the image: where each reads (with its margin), where it writes, and where that lies in the read."""
    for top in range(0, height, side):
        for left in range(0, width, side):
            bottom, right = min(top + side, height), min(left + side, width)
            above, before = max(top - margin, 0), max(left - margin, 0)
            read = (slice(above, min(bottom + margin, height)), slice(before, min(right + margin, width)))
            inside = (slice(top - above, bottom - above), slice(left - before, right - before))
            yield read, (slice(top, bottom), slice(left, right)), inside
