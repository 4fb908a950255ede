"""One scale of a pyramid: what is judged, given what, where it is present; and how sizes halve from scale to scale."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from oddpixel.errors import InvalidImage

from .base import Details
from .conditional import Conditional


@dataclass(frozen=True, eq=False)
class Scale:
    """One term of the sum: what is judged, what is known, and where it stands.

    Arguments:
        details: what is judged, in quanta.
        size: of the image that was split (of the coarsest itself).
        num_dims: of one image's term, whole.
        quantum: grey levels.
    """

    index: int
    details: Details
    known: Float[Tensor, "b k p q"]
    size: tuple[int, int]
    num_dims: int
    quantum: float
    conditional: Conditional

    @property
    def present(self) -> Float[Tensor, "d p q"]:
        """1 where there is something to judge."""
        return self.details.present

    @property
    def log_quantum(self) -> Float[Tensor, "p q"]:
        """Nats that counting in quanta took off each position."""
        return self.present.sum(0) * math.log(self.quantum)

    def log_likelihood_map(self) -> Float[Tensor, "b p q"]:
        """Nats of grey levels by position."""
        return self.conditional.log_likelihood_map(self.details, self.known) - self.log_quantum

    @torch.no_grad()
    def to_normal(self) -> Float[Tensor, "b d p q"]:
        """What is judged as the base sees it: white noise, if the base knew all."""
        return self.conditional.to_normal(self.details, self.known)[0]

    def from_normal(self, z: Float[Tensor, "b d p q"]) -> Float[Tensor, "b d p q"]:
        """The inverse, in quanta."""
        return self.conditional.base.from_normal(z, self.details, self.known)


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
