"""Training the network on examples, and how well composites of held-out photographs are told from authentic crops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .composites import composite
from .examples import Examples
from .histories import Pixels
from .network import RegionNetwork
from .regions import regions_in
from .store import save_network

FALSE_ALARMS = 0.05  # at which the share found is told


@dataclass(frozen=True)
class RegionLosses:
    """Cross-entropy in nats a region."""

    total: Tensor


class RegionLoss(nn.Module):
    """The loss of every member on its own, since they answer together only later."""

    def __init__(self, network: RegionNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, descriptions: Float[Tensor, "n d"], is_edited: Float[Tensor, "n"]) -> RegionLosses:
        """The mean over members and regions."""
        odds = self.network.each(descriptions)
        return RegionLosses(F.binary_cross_entropy_with_logits(odds, is_edited.expand_as(odds)))


class LocalEditTask:
    """The training task.

    Arguments:
        held_out: photographs that no example is of.
        side: of crops, in pixels.
        num_validated: composites of held-out photographs, always the same ones.
        credits: title, licence, attribution of the photographs.
    """

    def __init__(
        self,
        network: RegionNetwork,
        examples: Examples,
        held_out: Sequence[Pixels],
        *,
        side: int,
        num_validated: int,
        credits: dict[str, Any],
    ) -> None:
        self.network, self.held_out, self.credits = network, held_out, credits
        self.side, self.num_validated = side, num_validated
        self.descriptions = torch.from_numpy(examples.descriptions)
        self.is_edited = torch.from_numpy(examples.is_edited)
        network.fit_scale(self.descriptions.float())
        self.objective = RegionLoss(network)
        self.figures: dict[str, float] = {}

    @property
    def num_examples(self) -> int:
        """Regions to learn from."""
        return len(self.descriptions)

    @property
    def device(self) -> torch.device:
        """The CPU, where the examples lie."""
        return torch.device("cpu")

    def batch(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Regions and whether they were edited."""
        return {"descriptions": self.descriptions[indices].float(), "is_edited": self.is_edited[indices]}

    def validate(self) -> dict[str, float]:
        """The area under the ROC curve of composites against authentic crops, by edit, and the share found of all."""
        device = self.network.mean.device
        scores: dict[str, list[float]] = defaultdict(list)
        for number in range(self.num_validated):
            made = composite(self.held_out, self.side, np.random.default_rng((0, number)))
            with torch.no_grad():
                odds = self.network(regions_in(made.pixels)[0].to(device))
            scores[made.kind if made.region.any() else "authentic"].append(float(odds.max()))
        authentic = scores.pop("authentic", [])
        if not authentic or not scores:
            return {}
        edited = [score for values in scores.values() for score in values]
        level = float(np.quantile(authentic, 1 - FALSE_ALARMS))
        self.figures = {
            **{f"auc_{kind}": _auc(authentic, values) for kind, values in sorted(scores.items())},
            "auc": _auc(authentic, edited),
            "found_at_5_percent": float(np.mean([score > level for score in edited])),
        }
        return self.figures

    def save(self, folder: Path, record: dict[str, Any]) -> None:
        """Write the network, with its figures and the credits of its photographs."""
        save_network(folder, self.network, record | {"figures": self.figures, "data": self.credits})


def _auc(authentic: Sequence[float], edited: Sequence[float]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score([0] * len(authentic) + [1] * len(edited), [*authentic, *edited]))
