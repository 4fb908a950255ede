"""A conditioner turns a user's prompts into tokens. One kind a file."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from .tokens import Conditions


@runtime_checkable
class Conditioner(Protocol):
    """Turns prompts into the tokens that the cascade is conditioned on."""

    def __call__(self, prompts: list[Any]) -> Conditions:
        """Tokens for a batch; None among `prompts` stands for no prompt. Raises: UsageError."""
