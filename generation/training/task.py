"""The base of every stage's task: a loss to train, and crops without end."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from .latents import Latents, fewer

CROPS = 1 << 16  # an epoch; which crop an example is, is drawn anew in every step


def training_device(name: str | None) -> torch.device:
    """The named device; the accelerator, or else the CPU, where none is named."""
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


class StageTask:
    """A task of the shared trainer: a loss to minimise, on examples without end."""

    def __init__(self, loss: nn.Module) -> None:
        self.objective = loss

    @property
    def num_examples(self) -> int:
        """Examples in an epoch; each is drawn anew in every step."""
        return CROPS

    @property
    def device(self) -> torch.device:
        """The device that batches are drawn on."""
        return torch.device("cpu")


class LatentTask(StageTask):
    """A task on precomputed latents of several sides.

    Arguments:
        train: by side of the crops, on the training device.
        shares: of the steps, by side.
    """

    def __init__(self, loss: nn.Module, train: Mapping[int, Latents], shares: Sequence[float]) -> None:
        super().__init__(loss)
        self.train, self.sides, self.shares = train, sorted(train), shares

    @property
    def device(self) -> torch.device:
        """The device that the latents lie on."""
        return self.train[self.sides[0]].high.device

    def draw(self, count: int, generator: torch.Generator) -> tuple[Latents, Int64[Tensor, "n"]]:
        """The latents of one side, drawn by its share, and the rows of them that a step sees."""
        (side,) = random.Random(generator.initial_seed()).choices(self.sides, self.shares)
        latents = self.train[side]
        count = fewer(count, side, self.sides[0])
        return latents, torch.randint(len(latents), (count,), generator=generator, device=self.device)
