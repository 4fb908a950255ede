"""One scale of a pyramid: what is judged, given what, where it is present; and how sizes halve from scale to scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from oddpixel.errors import InvalidImage

from .conditional import Conditional


@dataclass(frozen=True, eq=False)
class Scale:
    """One term of the sum: what is judged, what is known, and where it stands.

    Arguments:
        judged: standardised, zero where nothing is present.
        std: by which it was, for each channel.
        expected: the details that a smooth image with this coarse image has, taken off before.
        size: of the image that was split (of the coarsest itself).
    """

    index: int
    judged: Float[Tensor, "b d p q"]
    known: Float[Tensor, "b k p q"]
    present: Float[Tensor, "d p q"]
    std: Float[Tensor, "d"]
    expected: Float[Tensor, "*b d p q"]
    size: tuple[int, int]
    conditional: Conditional

    @property
    def num_dims(self) -> int:
        """Of one image."""
        return int(self.present.sum())

    @property
    def log_std(self) -> Float[Tensor, "p q"]:
        """Nats that standardising took off each position."""
        return (self.present * self.std.log()[:, None, None]).sum(0)

    def log_likelihood_map(self) -> Float[Tensor, "b p q"]:
        """Nats of grey levels by position."""
        return self.conditional.log_likelihood_map(self.judged, self.known, self.present) - self.log_std

    def restored(self, judged: Float[Tensor, "b d p q"]) -> Float[Tensor, "b d p q"]:
        """Details (or the coarsest image) in grey levels."""
        return judged * self.std[:, None, None] + self.expected

    @torch.no_grad()
    def to_normal(self) -> Float[Tensor, "b d p q"]:
        """What is judged as the base sees it: white noise, if the base knew all."""
        return self.conditional.to_normal(self.judged, self.known, self.present)[0]

    def from_normal(self, z: Float[Tensor, "b d p q"]) -> Float[Tensor, "b d p q"]:
        """The inverse, in grey levels."""
        return self.restored(self.conditional.base.from_normal(z, self.known, self.present))


def check(x: Tensor, channels: int) -> None:
    """Accept grey levels `[b, channels, h, w]` that are all finite.

    Raises: InvalidImage where a model of so many channels cannot take these grey levels.
    """
    if x.ndim != 4 or x.shape[1] != channels:
        raise InvalidImage(f"this model takes {channels} channels, got an array of {tuple(x.shape)}")
    if not torch.isfinite(x).all():
        raise InvalidImage("the image holds NaN or infinite values; mask or replace them first")


def halvings(size: tuple[int, int], coarsest: int) -> Iterator[tuple[int, int]]:
    """Sizes that are split, the image's own first, until one is at most `coarsest` pixels wide and high."""
    while max(size) > coarsest:
        yield size
        size = (-(-size[0] // 2), -(-size[1] // 2))


def sizes(size: tuple[int, int], steps: int) -> Iterator[tuple[int, int]]:
    """The size itself, and after each of `steps - 1` halvings."""
    for _ in range(steps):
        yield size
        size = (-(-size[0] // 2), -(-size[1] // 2))


def scale_dims(size: tuple[int, int], channels: int, coarsest: int) -> list[int]:
    """Dimensions of each term for an image of that size, finest first; they add up to all."""
    steps = len(list(halvings(size, coarsest)))
    counts = [channels * rows * columns for rows, columns in sizes(size, steps + 1)]
    return [*(before - after for before, after in pairwise(counts)), counts[-1]]
