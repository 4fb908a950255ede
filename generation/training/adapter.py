"""Training an adapter: the cascade is frozen, and stage C's loss on the pictures' semantic latents moves the addition alone.

Every label, and none, takes its turn as prompt, so that the addition acts under any of them later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from oddpixel.errors import InvalidImage, UsageError
from oddpixel.training import Trainer, TrainingOptions

from ..adapter import Adapter, AdapterOptions, drawn_masks, save_adapter
from ..cascade import BUNDLED, Cascade, find_cascade, load_cascade, read_content
from .denoising import DenoisingLosses, draw_times, losses, mean_over_times, noise_like, noised
from .latents import Encode, LatentMaker, Latents, to_device
from .pictures import Pictures
from .recipe_pictures import pictures_of
from .stage_c import label_conditions
from .task import LatentTask, training_device

HELD_OUT = 16  # crops that figures are taken on
Both = tuple[dict[int, Latents], dict[int, Latents]]  # to learn from, and held out


class AdapterLoss(nn.Module):
    """Stage C's denoising loss with the adapter, on semantic latents."""

    def __init__(self, cascade: Cascade, adapter: Adapter) -> None:
        super().__init__()
        self.options, self.labels, self.stage, self.adapter = cascade.options, cascade.labels, cascade.c, adapter

    def forward(
        self,
        x_0: Float[Tensor, "b c h w"],
        noise: Float[Tensor, "b c h w"],
        t: Float[Tensor, "b"],
        labels: Int64[Tensor, "b"],
        shown: Float[Tensor, "b k s s"] | None = None,
    ) -> DenoisingLosses:
        """Losses of the adapted noise estimate; `shown` is the control network's input."""
        at = noised(x_0, noise, t, self.options.shift((x_0.shape[2], x_0.shape[3])))
        conditions = label_conditions(self.labels, labels, x_0.new_zeros(len(x_0), 1, self.labels.picture))
        network = self.adapter.network
        controls = [] if network is None or shown is None else [network(shown)]
        predicted = self.stage.predict_noise(at.x, at.timestep, conditions, None, controls)
        return losses(predicted, noise, at, self.stage.unet.parametrisation)


class AdapterTask(LatentTask):
    """The training task of an adapter, with the cascade frozen.

    Arguments:
        latents: to learn from and held out, by side of the crops.
        crops: the same crops as pictures, for a control.
        cascade_sha256: of what is adapted.
        credits: title, licence, attribution of the pictures.
    """

    def __init__(
        self,
        cascade: Cascade,
        options: AdapterOptions,
        latents: Both,
        crops: Both | None,
        cascade_sha256: str,
        credits: dict[str, Any],
    ) -> None:
        train, self.held_out = latents
        adapter = Adapter(options, cascade.eval()).to(next(cascade.parameters()).device)
        super().__init__(AdapterLoss(cascade, adapter), train, [1.0] * len(train))
        self.adapter, self.crops, self.sha256, self.credits = adapter, crops, cascade_sha256, credits
        self.num_labels = cascade.labels.pooled.num_embeddings
        self.figures: dict[str, float] = {}
        # A fresh adapter changes nothing yet.
        self.before = {f"mse_{side}_without": self._error(side, is_shown=False) for side in self.held_out}

    def batch(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Latents with noise, times, labels drawn uniformly, and control inputs."""
        latents, rows = self.draw(len(indices), generator)
        side = next(side for side, candidates in self.train.items() if candidates is latents)
        x_0 = latents.high[rows].float()
        labels = torch.randint(self.num_labels, (len(rows),), generator=generator, device=self.device)
        batch = {
            "x_0": x_0,
            "noise": noise_like(x_0, generator),
            "t": draw_times(len(rows), generator),
            "labels": labels,
        }
        if self.crops is not None:
            batch["shown"] = self._shown(self.crops[0][side].high[rows].float(), generator)
        return batch

    def validate(self) -> dict[str, float]:
        """Held-out error of the noise with the adapter, and without it."""
        self.figures = self.before | {f"mse_{side}_with": self._error(side, is_shown=True) for side in self.held_out}
        return self.figures

    def save(self, folder: Path, record: dict[str, Any]) -> None:
        """Write the adapter, with its figures and the credits of its pictures."""
        save_adapter(folder, self.adapter, self.sha256, record | {"figures": self.figures, "data": self.credits})

    def _shown(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        is_filling = self.adapter.options.kind == "mask"
        return self.adapter.shown(
            pictures, drawn_masks(len(pictures), pictures.shape[2], generator) if is_filling else None
        )

    @torch.no_grad()
    def _error(self, side: int, *, is_shown: bool) -> float:
        generator = torch.Generator(self.device).manual_seed(0)
        x_0 = self.held_out[side].high.float()
        shown = None
        if self.crops is not None and is_shown:
            shown = self._shown(self.crops[1][side].high.float(), torch.Generator(self.device).manual_seed(1))
        labels = torch.zeros(len(x_0), dtype=torch.long, device=self.device)

        def error(t: Tensor) -> Tensor:
            noise, times = noise_like(x_0, generator), t.expand(len(x_0)).to(self.device)
            result: Tensor = self.objective(x_0, noise, times, labels, shown).mse
            return result

        return mean_over_times(error)


def prepare(
    recipe: dict[str, Any],
    places: Sequence[str],
    folder: Path,
    start_from: Path | None = None,
    *,
    minutes: float | None = None,
    device: str | None = None,
) -> Trainer:
    """Set up the training of an adapter by its recipe.

    Arguments:
        places: the pictures; the recipe's corpora where none are named.
        start_from: the cascade to adapt; the bundled one where None.

    Raises: UsageError, UnreadableInput, ModelError.
    """
    options, counts = _options(recipe, minutes)
    adapted = _adapter_options(recipe["model"])
    on = training_device(device)
    cascade = load_cascade(BUNDLED if start_from is None else start_from).to(on)
    sha256 = read_content(find_cascade(BUNDLED if start_from is None else start_from))["weights_sha256"]
    learning, held_out = (pictures.to(on) for pictures in _pictures(recipe, places))
    cache = folder / "training"

    def both_of(name: str, encode: Encode, weights: nn.Module) -> Both:
        train = LatentMaker(encode, weights, learning, options.seed)
        validation = LatentMaker(encode, weights, held_out, options.seed)
        return (
            to_device(train.latents(counts, cache / f"{name}-train.safetensors"), on),
            to_device(validation.latents(dict.fromkeys(counts, HELD_OUT), cache / f"{name}-held-out.safetensors"), on),
        )

    latents = both_of("latents", cascade.encoder, cascade.encoder)
    crops = None if adapted.kind == "style" else both_of("crops", _as_they_are, nn.Identity())
    credits = learning.credits | {"pictures": len(learning), "sha256": learning.sha256}
    task = AdapterTask(cascade, adapted, latents, crops, sha256, credits)
    return Trainer(task, options, folder, device)


def _pictures(recipe: dict[str, Any], places: Sequence[str]) -> tuple[Pictures, Pictures]:
    """Pictures to learn from, and held out: the last one, where there are too few for a group to be held out."""
    learning = pictures_of(recipe, places, "train")
    try:
        return learning, pictures_of(recipe, places, "validation")
    except InvalidImage:
        if len(learning) < 2:
            raise
        return learning.part(slice(None, -1)), learning.part(slice(-1, None))


def _as_they_are(pictures: Tensor) -> Tensor:
    return pictures


def _adapter_options(model: dict[str, Any]) -> AdapterOptions:
    try:
        return AdapterOptions(kind=model["adapter"], **{k: v for k, v in model.items() if k in ("rank", "hidden")})
    except KeyError as error:
        raise UsageError(f"the recipe's [model] lacks {error}: style, edges or mask") from None


def _options(recipe: dict[str, Any], minutes: float | None) -> tuple[TrainingOptions, dict[int, int]]:
    section = dict(recipe["training"])
    try:
        counts = dict(zip(section.pop("sides"), section.pop("crops"), strict=True))
    except KeyError as error:
        raise UsageError(f"the recipe's [training] lacks {error}") from None
    if unknown := section.keys() - {field.name for field in fields(TrainingOptions)}:
        raise UsageError(f"the recipe has unknown options: {', '.join(sorted(unknown))}")
    return TrainingOptions(**section, minutes=minutes), counts
