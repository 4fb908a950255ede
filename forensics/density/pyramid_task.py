"""Training a pyramid: each scale on crops large enough for it, with the loss of the flat model (L = 1e-3 CE + MSE).

Group j of a batch holds crops of 64 * 2^j pixels and trains scale j, of which it shows 32 x 32 positions; the last group
also trains all coarser scales and the coarsest image. A scale half as fine gets half as many crops.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .conditional import draw_candidates
from .crops import CELL, Photographs, dequantised
from .pyramid import Pyramid, Scale
from .store import save_model

NUM_CANDIDATES = 16


@dataclass(frozen=True, eq=False)
class PyramidLosses:
    """Means over the scales; `fine_mse` is the finest scale's own."""

    total: Float[Tensor, ""]
    ce: Float[Tensor, ""]
    mse: Float[Tensor, ""]
    fine_mse: Float[Tensor, ""]


class PyramidLoss(nn.Module):
    """A module, so that distributed training can wrap the input gradient together with the networks."""

    def __init__(self, model: Pyramid, ce_weight: float = 1e-3) -> None:
        super().__init__()
        self.model, self.ce_weight = model, ce_weight

    def forward(self, **batch: Tensor) -> PyramidLosses:
        """`batch` as `PyramidTask.batch` makes it: crops by group, and levels and noise by term."""
        terms = [
            self._loss(scale, batch[f"levels{k}"], batch[f"chosen{k}"], batch[f"noise{k}"])
            for k, scale in enumerate(terms_of(self.model, batch))
        ]
        ce, mse = (torch.stack(part).mean() for part in zip(*terms, strict=True))
        return PyramidLosses(self.ce_weight * ce + mse, ce, mse, terms[0][1])

    def _loss(self, scale: Scale, levels: Tensor, chosen: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        conditional = scale.conditional
        lambda_ = levels.gather(1, chosen[:, None])[:, 0]
        noisy = conditional.add_noise(scale.judged, lambda_, noise, scale.present)
        e_hat, ratios = conditional.noise_and_ratios(noisy, scale.known, lambda_, levels)
        assert ratios is not None
        ce = F.cross_entropy(ratios, chosen)
        # At the clean image there is no noise to tell, at pure noise the estimate is exact whatever the network says.
        error = ((e_hat - noise) * scale.present).square().flatten(1).sum(1) / scale.num_dims
        share = 1 - 2 / levels.shape[1]
        return ce, (error * torch.isfinite(lambda_)).mean() / share


def terms_of(model: Pyramid, batch: dict[str, Tensor]) -> list[Scale]:
    """The scales that a batch trains: of each group its own, of the last all that are coarser too."""
    groups = sorted(name for name in batch if name.startswith("crops"))
    terms = []
    for group, name in enumerate(groups):
        scales = model.split(batch[name])
        terms += scales[group:] if name == groups[-1] else [scales[group]]
    return terms


class PyramidTask:
    """Arguments:
    groups: how many sizes of crops; the last trains everything coarser.
    flip: mirror crops at random.
    num_validated: validation crops of 256 pixels, evenly spread, the same every time.
    """

    def __init__(
        self,
        model: Pyramid,
        train: Photographs,
        validation: Photographs,
        *,
        ce_weight: float = 1e-3,
        groups: int = 4,
        flip: bool = True,
        num_validated: int = 16,
        title: str = "",
        machine: str = "",
    ) -> None:
        self.model, self.train, self.validation = model, train, validation
        self.objective = PyramidLoss(model, ce_weight)
        self.groups, self.flip, self.num_validated = groups, flip, num_validated
        self.title, self.machine = title, machine
        self.cells = train.cells
        self.num_examples = len(self.cells)
        self.figures: dict[str, float] = {}

    def batch(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        parts: dict[str, Tensor] = {}
        for group in range(self.groups):
            # Never fewer than two, so that two processes have one each.
            chosen = indices[: max(len(indices) >> group, min(len(indices), 2))]
            parts[f"crops{group}"] = self._crops(chosen.tolist(), CELL << group, generator)
        randomness: dict[str, Tensor] = {}
        for k, scale in enumerate(terms_of(self.model, parts)):
            judged = scale.judged
            levels, chosen = draw_candidates(NUM_CANDIDATES, scale.conditional, len(judged), generator)
            noise = torch.randn(judged.shape, generator=generator) * scale.present
            randomness |= {f"levels{k}": levels, f"chosen{k}": chosen, f"noise{k}": noise}
        return parts | randomness

    def _crops(self, indices: list[int], side: int, generator: torch.Generator) -> Tensor:
        shifts = torch.rand(len(indices), 2, generator=generator).tolist()
        values = [
            self.train.crop(self.cells[index], side, (down, right))
            for index, (down, right) in zip(indices, shifts, strict=True)
        ]
        if self.flip:
            mirrored = (torch.rand(len(values), generator=generator) < 0.5).tolist()
            values = [value[:, :, ::-1] if turned else value for value, turned in zip(values, mirrored, strict=True)]
        return dequantised(values, generator)

    def validate(self) -> dict[str, float]:
        self.figures = validate(self.model, self.validation, self.num_validated)
        return self.figures

    def save(self, folder: Path, record: dict[str, Any]) -> None:
        data = {
            **self.train.about,
            "num_examples": len(self.train.pixels),
            "megapixels": round(self.train.megapixels, 1),
            "sha256": self.train.sha256(),
        }
        about = {"title": self.title, "machine": self.machine, "data": data, "figures": self.figures}
        save_model(folder, self.model, {**about, **record})


def validate(
    model: Pyramid, photographs: Photographs, count: int, *, side: int = 256, num_knots: int = 40, seed: int = 0
) -> dict[str, float]:
    """Bits/dim of held-out crops by one pass and by the identity, whole and of each scale's own dimensions."""
    generator = torch.Generator().manual_seed(seed)
    cells = photographs.cells
    chosen = [cells[int(index)] for index in np.linspace(0, len(cells) - 1, count)]
    sums: dict[str, float] = {}
    for cell in chosen:
        x = dequantised([photographs.crop(cell, side, (0.0, 0.0))], generator)
        terms = {
            "": model.scale_log_likelihoods(x)[0],
            "identity_": model.identity_log_likelihoods(x, num_knots=num_knots, generator=generator)[0],
        }
        for name, nats in terms.items():
            figures = {f"{name}bits_per_dim": float(model.bits_per_dim(nats.sum(), x.numel()))}
            for scale, part in zip(model.split(x), nats, strict=True):
                bits = -float(part) / (scale.num_dims * math.log(2))
                figures[f"{name}scale_{scale.index}_bits_per_dim"] = bits
            sums = sums | {key: sums.get(key, 0.0) + value / count for key, value in figures.items()}
    return sums
