"""What every stage's task has: a loss to train, and crops without end."""

from __future__ import annotations

from torch import nn

CROPS = 1 << 16  # an epoch; which crop an example is, is drawn anew in every step


class StageTask:
    def __init__(self, loss: nn.Module) -> None:
        self.objective = loss

    @property
    def num_examples(self) -> int:
        return CROPS
