"""Low-rank adaptation: W + (scale / r) B A in chosen linear layers, trained with the rest frozen (Hu et al. 2022, eq. 3).

Parametrisations of the layers themselves: nothing is forked, the sum can be kept for good with `merge`.
"""

from __future__ import annotations

import math
import re
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from oddpixel.errors import UsageError

ATTENTION = r"\.(to_q|to_k|to_v|to_out\.0)$"


class LowRank(nn.Module):
    """The parametrisation W + (scale / rank) B A; B starts at zero."""

    def __init__(self, outer: int, inner: int, rank: int, scale: float) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.empty(rank, inner))
        self.b = nn.Parameter(torch.zeros(outer, rank))
        self.scale = scale / rank
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """The adapted weight."""
        return weight + self.scale * (self.b @ self.a)


def add(module: nn.Module, rank: int = 4, scale: float = 1.0, where: str = ATTENTION) -> list[str]:
    """Adapt every linear layer whose name `where` finds; all else is frozen. Returns their names.

    Raises: UsageError where none is found.
    """
    names = [name for name, part in module.named_modules() if isinstance(part, nn.Linear) and re.search(where, name)]
    if not names:
        raise UsageError(f"no linear layer has a name that matches {where}")
    module.requires_grad_(False)
    for name in names:
        layer = cast(nn.Linear, module.get_submodule(name))
        low_rank = LowRank(layer.out_features, layer.in_features, rank, scale).to(layer.weight)
        parametrize.register_parametrization(layer, "weight", low_rank)
    return names


def weights(module: nn.Module) -> dict[str, Tensor]:
    """The low-rank matrices by layer name, to be saved in a file of their own."""
    return {
        f"{name}.{part}": getattr(low_rank, part).detach()
        for name, low_rank in _adapted(module).items()
        for part in ("a", "b")
    }


def load(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copy low-rank matrices into a module adapted with the same rank. Raises: UsageError."""
    adapted = _adapted(module)
    if {name.rpartition(".")[0] for name in tensors} != set(adapted):
        raise UsageError(f"these weights belong to other layers than the {len(adapted)} adapted ones of this module")
    for name, low_rank in adapted.items():
        for part in ("a", "b"):
            parameter, value = getattr(low_rank, part), tensors[f"{name}.{part}"]
            if parameter.shape != value.shape:
                raise UsageError(f"{name}.{part} is {tuple(value.shape)}, expected {tuple(parameter.shape)}")
            parameter.data.copy_(value)


def merge(module: nn.Module) -> None:
    """Fold the low-rank sums into the weights and remove the parametrisations."""
    for name in _adapted(module):
        parametrize.remove_parametrizations(module.get_submodule(name), "weight")


def _adapted(module: nn.Module) -> dict[str, LowRank]:
    return {
        name: part.parametrizations.weight[0]  # type: ignore[union-attr, index, misc]
        for name, part in module.named_modules()
        if isinstance(part, nn.Linear) and parametrize.is_parametrized(part, "weight")
    }
