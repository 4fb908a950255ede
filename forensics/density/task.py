"""Training a `flat` model: examples, the random part of a batch, and validation by all four figures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64, Integer
from torch import Tensor

from oddpixel.errors import InvalidImage

from .flat import Flat
from .identity import identity_log_likelihood, looseness_of_cut
from .loss import DensityRatioLoss, drop_labels
from .store import save_model


@dataclass(frozen=True, eq=False)
class Examples:
    """Stored pixel values in memory, `[n, c, h, w]` in whole numbers, with a class each or none."""

    values: Integer[Tensor, "n c h w"]
    labels: Int64[Tensor, "n"] | None = None
    about: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    def sha256(self) -> str:
        """Hash of the stored values; identifies the data on the model card."""
        return hashlib.sha256(self.values.contiguous().numpy().tobytes()).hexdigest()


class DensityTask:
    """Trains a flat model on images of one size.

    Arguments:
        ce_weight, mse_weight: of the loss.
        null_probability: how often a label is replaced by the null class.
        flip: mirror images at random, as the published recipe does.
        validation: held-out examples; at most `num_validated` are used, always the same with the same noise.
    """

    def __init__(
        self,
        model: Flat,
        train: Examples,
        validation: Examples,
        *,
        ce_weight: float = 1e-3,
        mse_weight: float = 1.0,
        null_probability: float = 0.1,
        flip: bool = False,
        num_validated: int = 256,
        title: str = "",
        machine: str = "",
    ) -> None:
        self.model, self.train, self.validation = model, train, validation
        self.objective = DensityRatioLoss(model, ce_weight, mse_weight)
        self.null_probability, self.flip, self.num_validated = null_probability, flip, num_validated
        self.title, self.machine = title, machine
        self.num_examples = len(train)
        self.figures: dict[str, float] = {}
        if len(train) == 0:
            raise InvalidImage("no training images")

    @property
    def device(self) -> torch.device:
        """The CPU, where examples and batches are kept."""
        return torch.device("cpu")

    def batch(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """The examples at `indices`, dequantised, with a level, noise and, for a conditional model, labels."""
        values = self.train.values[indices]
        if self.flip:
            mirrored = torch.rand(len(values), generator=generator) < 0.5
            values = torch.where(mirrored[:, None, None, None], values.flip(3), values)
        batch = self._noised(values, generator)
        if self.model.num_classes is not None and self.train.labels is not None:
            labels = self.train.labels[indices]
            batch["labels"] = drop_labels(labels, self.model.num_classes, self.null_probability, generator)
        return batch

    def _noised(self, values: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        x = self.model.quanta.to_model(values, generator)
        k = torch.randint(self.model.schedule.num_levels, (len(x),), generator=generator)
        return {"x": x, "k": k, "noise": torch.randn(x.shape, generator=generator)}

    def validate(self) -> dict[str, float]:
        """MSE, CE, one-pass and identity bits/dim on held-out images, always with the same noise."""
        self.figures = validate(self.model, self.validation, self.num_validated)
        return self.figures

    def save(self, folder: Path, record: dict[str, Any]) -> None:
        """Write the model folder, with training data, figures and `record` on its card."""
        data = {**self.train.about, "num_examples": len(self.train), "sha256": self.train.sha256()}
        about = {"title": self.title, "machine": self.machine, "data": data, "figures": self.figures}
        save_model(folder, self.model, {**about, **record})


def validate(
    model: Flat, examples: Examples, count: int, *, seed: int = 0, max_knots: int = 128, draws: int = 1
) -> dict[str, float]:
    """Held-out figures of a model: `mse`, `ce`, and bits/dim by one pass and by the identity."""
    generator = torch.Generator().manual_seed(seed)
    device = model.alpha.device
    values = examples.values[:count]
    labels = None if model.num_classes is None or examples.labels is None else examples.labels[:count]
    objective = DensityRatioLoss(model)
    sums: dict[str, float] = {}
    for start in range(0, len(values), 64):
        part = slice(start, start + 64)
        x = model.quanta.to_model(values[part], generator).to(device)
        y = None if labels is None else labels[part].to(device)
        k = torch.randint(model.schedule.num_levels, (len(x),), generator=generator).to(device)
        losses = objective(x, k, torch.randn(x.shape, generator=generator).to(device), y)
        with torch.no_grad():
            one_pass = model.log_likelihood(x, y)
        identity = identity_log_likelihood(model, x, labels=y, max_knots=max_knots, draws=draws, generator=generator)
        num_dims = x[0].numel()
        figures = {
            "mse": losses.mse.item() * len(x),
            "ce": losses.ce.item() * len(x),
            "bits_per_dim": model.quanta.bits_per_dim(one_pass, num_dims).sum().item(),
            "identity_bits_per_dim": model.quanta.bits_per_dim(identity, num_dims).sum().item(),
        }
        sums = {name: sums.get(name, 0.0) + value for name, value in figures.items()}
    means = {name: value / len(values) for name, value in sums.items()}
    return means | {"looseness_of_cut_bits_per_dim": looseness_of_cut(model)}
