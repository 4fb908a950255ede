"""Labels: a learned embedding each, spread over the tokens of text and the pooled one. The first row stands for no prompt."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from oddpixel.errors import UsageError

from .tokens import Conditions


class LabelConditioner(nn.Module):
    """Conditions on labels, by learned embeddings.

    Arguments:
        labels: names.
        text, pooled, picture: widths of the tokens, as stage C's.
        slots: tokens of text.
    """

    def __init__(self, labels: tuple[str, ...], *, text: int, pooled: int, picture: int, slots: int = 8) -> None:
        super().__init__()
        self.labels, self.slots, self.picture = labels, slots, picture
        self.text = nn.Embedding(len(labels) + 1, slots * text)
        self.pooled = nn.Embedding(len(labels) + 1, pooled)

    def forward(self, prompts: list[Any]) -> Conditions:
        """Tokens for a batch of labels; None stands for no prompt. Raises: UsageError, naming the labels there are."""
        rows = torch.tensor([self._row(label) for label in prompts], device=self.pooled.weight.device)
        pooled = self.pooled(rows)[:, None]
        return Conditions(
            pooled, self.text(rows).unflatten(1, (self.slots, -1)), pooled.new_zeros(len(rows), 1, self.picture)
        )

    def _row(self, label: Any) -> int:
        if label is None or label == "":
            return 0
        if label not in self.labels:
            raise UsageError(f"unknown label {label!r}; labels are {', '.join(self.labels)}")
        return 1 + self.labels.index(label)
