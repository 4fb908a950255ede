"""Training a pyramid: each scale on crops large enough for it, with the loss of the flat model (L = 1e-3 CE + MSE).

Group j of a batch holds crops of 64 * 2^j pixels and trains scale j, of which it shows 32 x 32 positions; the last group
also trains all coarser scales and the coarsest image. A step of the base alone costs a fifth of one that trains the ratio too,
with its double backward pass, so only a share of the steps do (`ratio_share`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from .base import Details
from .conditional import Conditional, draw_candidates, level_weight
from .crop_source import CropSource
from .crops import CELL, Photographs, Variation
from .model import bits_per_dim
from .probing import identity_log_likelihoods
from .pyramid import Pyramid
from .scales import Scale
from .store import save_model
from .streaming import scale_log_likelihoods

NUM_CANDIDATES = 16
CPU = torch.device("cpu")
SHOWN = CELL // 2  # positions a side of the scale that a crop trains


@dataclass(frozen=True, eq=False)
class PyramidLosses:
    """Means over the terms; `base` in nats a dimension, `fine_mse` the finest scale's own."""

    total: Float[Tensor, ""]
    base: Float[Tensor, ""]
    ce: Float[Tensor, ""]
    mse: Float[Tensor, ""]
    fine_mse: Float[Tensor, ""]


@dataclass(frozen=True, eq=False)
class BaseLoss:
    """Of a step of the base alone, nats a dimension, mean over the terms."""

    total: Float[Tensor, ""]


class PyramidLoss(nn.Module):
    """A module, so that distributed training can wrap the input gradient together with the networks.

    Arguments:
        compiled: fuse the terms of 32 x 32 positions with `torch.compile`; needs a C++ compiler, saves two fifths.
    """

    def __init__(self, model: Pyramid, ce_weight: float = 1e-3, compiled: bool = False) -> None:
        super().__init__()
        self.model, self.ce_weight = model, ce_weight
        # Made here, not on import: `torch.compile` takes seconds to load.
        self.to_normal = torch.compile(Conditional.to_normal) if compiled else Conditional.to_normal
        self.compare = torch.compile(Conditional.noise_and_ratios) if compiled else Conditional.noise_and_ratios
        self.log_density = torch.compile(log_density) if compiled else log_density

    def forward(self, **batch: Tensor) -> PyramidLosses | BaseLoss:
        """`batch` as `PyramidTask.batch` makes it: crops by group, levels and noise by term where the ratio is trained too."""
        scales = terms_of(self.model, batch)
        if "levels0" not in batch:
            return BaseLoss(torch.stack([self._base(scale) for scale in scales]).mean())
        terms = [
            self._loss(scale, batch[f"levels{k}"], batch[f"chosen{k}"], batch[f"noise{k}"])
            for k, scale in enumerate(scales)
        ]
        base, ce, mse = (torch.stack(part).mean() for part in zip(*terms, strict=True))
        return PyramidLosses(base + self.ce_weight * ce + mse, base, ce, mse, terms[0][2])

    def _base(self, scale: Scale) -> Tensor:
        judge = self.log_density if _is_fused(scale) else log_density
        return _a_dim(judge(scale.conditional, scale.details, scale.known), scale)

    def _loss(self, scale: Scale, levels: Tensor, chosen: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        conditional = scale.conditional
        to_normal = self.to_normal if _is_fused(scale) else Conditional.to_normal
        compare = self.compare if _is_fused(scale) else Conditional.noise_and_ratios
        z, log_base = to_normal(conditional, scale.details, scale.known)
        # The base learns from its own likelihood alone, the classifier from what the base leaves.
        base, z = _a_dim(log_base, scale), z.detach()
        lambda_ = levels.gather(1, chosen[:, None])[:, 0]
        noisy = conditional.add_noise(z, lambda_, noise, scale.present)
        e_hat, ratios = compare(conditional, noisy, scale.known, lambda_, levels)
        ce = F.cross_entropy(ratios, chosen)
        error = ((e_hat - noise) * scale.present).square().flatten(1).sum(1) / scale.num_dims
        return base, ce, (error * level_weight(lambda_, conditional)).mean()


def log_density(conditional: Conditional, d: Details, c: Tensor) -> Float[Tensor, "b h w"]:
    """log base(d | c) by position in nats."""
    return conditional.base.log_density(d, c)


def _is_fused(scale: Scale) -> bool:
    return scale.present.shape[1:] == (SHOWN, SHOWN)


def _a_dim(log_density: Float[Tensor, "b h w"], scale: Scale) -> Float[Tensor, ""]:
    return -log_density.flatten(1).sum(1).mean() / scale.num_dims


def terms_of(model: Pyramid, batch: dict[str, Tensor]) -> list[Scale]:
    """The scales that a batch trains: of each group its own, of the last all that are coarser too."""
    groups = sorted(name for name in batch if name.startswith("crops"))
    terms = []
    for group, name in enumerate(groups):
        scales = model.terms(batch[name])
        terms += scales[group:] if name == groups[-1] else [scales[group]]
    return terms


class PyramidTask:
    """Trains all scales of a pyramid together, on random crops of photographs.

    Arguments:
        groups: how many sizes of crops, fewer where no image is so large; the last trains everything coarser.
        coarse_share: how many crops of each group but the finest, for each of the finest.
        ratio_share: of the steps, those that train the density ratio as well as its base.
        variation: of the crops.
        compiled, bf16: how the objective is computed (`PyramidLoss`, `Pyramid.use_bf16`).
        device: on which photographs lie and crops are made.
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
        coarse_share: float = 0.25,
        ratio_share: float = 1.0,
        variation: Variation | None = None,
        compiled: bool = False,
        bf16: bool = False,
        num_validated: int = 16,
        title: str = "",
        machine: str = "",
        device: torch.device = CPU,
    ) -> None:
        self.model, self.train, self.validation = model.use_bf16(bf16).to(device), train, validation
        self.source, self.ratio_share = CropSource(train, device), ratio_share
        self.objective = PyramidLoss(model, ce_weight, compiled)
        self.groups = min(groups, max(self.source.largest // CELL, 1).bit_length())
        self.coarse_share, self.num_validated = coarse_share, num_validated
        self.variation = variation or Variation()
        self.title, self.machine = title, machine
        self.num_examples = len(train.cells)
        self.figures: dict[str, float] = {}

    @property
    def device(self) -> torch.device:
        """Where photographs and crops are kept."""
        return self.source.device

    def batch(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Random crops for each group, with the candidate levels and the noise for each scale."""
        host = torch.Generator().manual_seed(generator.initial_seed())
        parts: dict[str, Tensor] = {}
        for group in range(self.groups):
            # Never fewer than two, so that two processes have one each.
            count = len(indices) if group == 0 else max(round(len(indices) * self.coarse_share), min(len(indices), 2))
            crops = self.source.crops(count, CELL << group, self.variation, host, generator)
            parts[f"crops{group}"] = self.train.grey(crops, generator)
        if float(torch.rand((), generator=host)) >= self.ratio_share:
            return parts
        for k, scale in enumerate(terms_of(self.model, parts)):
            shape = scale.details.values.shape
            levels, chosen = draw_candidates(NUM_CANDIDATES, scale.conditional, shape[0], generator)
            noise = torch.randn(shape, generator=generator, device=self.device) * scale.present
            parts |= {f"levels{k}": levels, f"chosen{k}": chosen, f"noise{k}": noise}
        return parts

    def validate(self) -> dict[str, float]:
        """Likelihood figures of the validation crops, kept for the model card."""
        self.figures = validate(self.model, self.validation, self.num_validated)
        return self.figures

    def save(self, folder: Path, record: dict[str, Any]) -> None:
        """Write the model folder, with training data, figures and `record` on its card."""
        data = {
            **self.train.about,
            "num_examples": len(self.train.pixels),
            "megapixels": round(self.train.megapixels, 1),
            "sha256": self.train.sha256(),
        }
        about = {"title": self.title, "machine": self.machine, "data": data, "figures": self.figures}
        save_model(folder, self.model, {**about, **record})


def validate(
    model: Pyramid, photographs: Photographs, count: int, *, side: int = 256, num_knots: int = 32, seed: int = 0
) -> dict[str, float]:
    """Bits/dim of held-out crops by one pass and by the identity, whole and of each scale's own dimensions."""
    generator = torch.Generator().manual_seed(seed)
    cells = photographs.cells
    chosen = [cells[int(index)] for index in np.linspace(0, len(cells) - 1, count)]
    sums: dict[str, float] = {}
    for cell in chosen:
        crop = torch.from_numpy(photographs.crop(cell, side).astype(np.float32))[None]
        x = photographs.grey(crop, generator).to(model.middle.device)
        terms = {
            "": scale_log_likelihoods(model, x)[0],
            "identity_": identity_log_likelihoods(model, x, num_knots=num_knots, generator=generator)[0],
        }
        for name, nats in terms.items():
            figures = {f"{name}bits_per_dim": float(bits_per_dim(nats.sum(), x.numel(), photographs.quantum))}
            for scale, part in zip(model.split(x), nats, strict=True):
                bits = bits_per_dim(float(part), scale.num_dims, photographs.quantum)
                figures[f"{name}scale_{scale.index}_bits_per_dim"] = bits
            sums = sums | {key: sums.get(key, 0.0) + value / count for key, value in figures.items()}
    return sums
