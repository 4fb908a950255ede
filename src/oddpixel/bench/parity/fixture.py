"""One file of numbers that a reference implementation computed, and what we compute for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass
class Fixture:
    """One file of numbers: its configuration, its tensors, and what was computed of them."""

    name: str
    config: dict[str, Any]
    about: dict[str, dict[str, Any]]
    tensors: dict[str, Tensor]
    gradient_order: list[str] = field(default_factory=list)
    computed: dict[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def give(self, name: str, value: Any) -> None:
        """Keep the computed value of tensor `name`; ignored where the fixture does not have it."""
        if name in self.tensors:
            self.computed[name] = torch.as_tensor(value)

    def weights(self, prefix: str = "weights.") -> dict[str, Tensor]:
        """The tensors under a prefix, named without it, as a state dict."""
        return {name.removeprefix(prefix): value for name, value in self.tensors.items() if name.startswith(prefix)}

    def row(self) -> dict[str, Any]:
        """The row of the worst tensor: its difference over its tolerance; an exact one may not differ at all."""
        worst, worst_name, missing = 0.0, "", []
        for name, about in self.about.items():
            if about.get("role") != "output":
                continue
            if name not in self.computed:
                missing.append(name)
                continue
            tolerance = float(about["tolerance_max_abs"])
            difference = _difference(self.computed[name], self.tensors[name])
            used = difference / tolerance if tolerance > 0 else (0.0 if difference == 0 else float("inf"))
            if used >= worst:
                worst, worst_name = used, name
        checked = sum(about.get("role") == "output" for about in self.about.values()) - len(missing)
        passed = worst <= 1 and not missing and checked > 0
        note = f"not computed: {', '.join(missing[:3])}" if missing else worst_name
        return {
            "file": self.name,
            "tensors": checked,
            "difference_over_tolerance": worst,
            "worst": note,
            "verdict": "ok" if passed else "OUT",
        }


def _difference(ours: Tensor, theirs: Tensor) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    difference = (ours.double() - theirs.double()).abs()
    return float("inf") if difference.isnan().any() else float(difference.max()) if difference.numel() else 0.0


Checker = Callable[[Fixture, Callable[[str], Fixture]], None]
