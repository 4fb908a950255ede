"""The tokens that stages B and C are conditioned on, and a denoiser that contrasts them with none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ..sampler import Guidance, PredictNoise


@dataclass(frozen=True, eq=False)
class Conditions:
    """Condition tokens of a batch.

    Arguments:
        pooled: one vector a sample.
        text, picture: for stage C alone; a vector a token, and one for the picture.
    """

    pooled: Float[Tensor, "_b 1 _d"]
    text: Float[Tensor, "_b _n _e"] | None = None
    picture: Float[Tensor, "_b 1 _f"] | None = None

    def __len__(self) -> int:
        return len(self.pooled)

    def empty(self) -> Conditions:
        """Unconditional tokens of the same shapes: zeros."""
        return self.map(torch.zeros_like)

    def at(self, index: slice) -> Conditions:
        """The tokens of some samples of the batch."""
        return self.map(lambda tokens: tokens[index])

    def for_stage_b(self) -> Conditions:
        """The pooled tokens alone, which is all that stage B takes."""
        return Conditions(self.pooled)

    def arguments(self) -> dict[str, Any]:
        """Keyword arguments of `CascadeUNet.predict_noise`, without tokens that are None."""
        tokens = {"pooled": self.pooled, "text": self.text, "picture": self.picture}
        return {name: value for name, value in tokens.items() if value is not None}

    def map(self, change: Callable[[Tensor], Tensor]) -> Conditions:
        """Apply a function to every token tensor."""
        return Conditions(
            change(self.pooled),
            None if self.text is None else change(self.text),
            None if self.picture is None else change(self.picture),
        )


def concatenated(first: Conditions, second: Conditions) -> Conditions:
    """Concatenate two batches of conditions."""
    return Conditions(
        torch.cat([first.pooled, second.pooled]),
        None if first.text is None or second.text is None else torch.cat([first.text, second.text]),
        None if first.picture is None or second.picture is None else torch.cat([first.picture, second.picture]),
    )


def contrasted(
    predict: Callable[[Tensor, Tensor, Conditions], Tensor],
    guidance: Guidance,
    conditions: Conditions,
    against: Conditions | None = None,
) -> PredictNoise:
    """A denoiser with classifier-free guidance.

    Arguments:
        predict: (x, t, conditions) -> noise; called with the batch twice over where guidance acts, the conditions half first.
        against: what to be led away from (a negative prompt); nothing requested where None.
    """
    both = concatenated(conditions, conditions.empty() if against is None else against)

    def predicted(x: Tensor, t: Tensor, at: float) -> Tensor:
        if not guidance.is_needed or guidance.at(at) == 1.0:
            return predict(x, t, conditions)
        with_condition, without = predict(x.repeat(2, 1, 1, 1), t.repeat(2), both).chunk(2)
        return guidance.mix(with_condition, without, at)

    return predicted
