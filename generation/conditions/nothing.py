"""No prompt: zeros, as the published cascade's unconditional half."""

from __future__ import annotations

from typing import Any

import torch

from oddpixel.errors import UsageError

from .tokens import Conditions


class NoConditioner:
    """Gives zeros, for a cascade without a text encoder."""

    def __init__(self, *, text: int, pooled: int, picture: int, slots: int = 77) -> None:
        self.text, self.pooled, self.picture, self.slots = text, pooled, picture, slots

    def __call__(self, prompts: list[Any]) -> Conditions:
        """Zero tokens for a batch without prompts. Raises: UsageError where anything is requested."""
        if wrong := [prompt for prompt in prompts if prompt not in (None, "")]:
            raise UsageError(
                f"this cascade has no text encoder for the prompt {wrong[0]!r}; add one to its folder (text_encoder/)"
            )
        count = len(prompts)
        return Conditions(
            torch.zeros(count, 1, self.pooled),
            torch.zeros(count, self.slots, self.text),
            torch.zeros(count, 1, self.picture),
        )
