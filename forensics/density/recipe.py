"""A recipe: everything that fixes a training, in one TOML file (`[data]`, `[model]`, `[training]`)."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from oddpixel.errors import UsageError
from oddpixel.training import MOST_STEPS, Trainer, TrainingOptions
from oddpixel.weights import load_weights, read_weights

from .crops import Variation
from .examples import from_cifar10, from_corpus, from_images
from .flat import Flat
from .pyramid import Pyramid
from .pyramid_task import PyramidTask
from .recipe_images import training_images, validation_images
from .store import build, find_model
from .task import DensityTask, Examples

logger = logging.getLogger(__name__)
LEAST_COMPILED = 15  # minutes of a training, below which compiling would take most of it
LOSS_OPTIONS = (
    *("ce_weight", "mse_weight", "null_probability", "flip"),
    *("groups", "coarse_share", "ratio_share", "compiled", "bf16", "num_validated"),
)


def prepare(
    recipe: dict[str, Any],
    places: Sequence[str],
    folder: Path,
    start_from: Path | None = None,
    *,
    minutes: float | None = None,
    device: str | None = None,
) -> Trainer:
    """Data, model and trainer of a recipe.

    Arguments:
        places: where the images are, for recipes that do not name a packaged corpus.
        start_from: a model folder or checkpoint of the same architecture whose weights to begin with.
        minutes: instead of the recipe's steps, with the learning rate tied to the clock.
        device: `cpu`, or None for the accelerator that there is.

    Raises: UsageError, UnreadableInput, ModelError.
    """
    on = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    options = {**recipe["training"], **recipe["training"].get(on.type, {})}
    options.pop("cuda", None)
    unknown = options.keys() - {f.name for f in fields(TrainingOptions)} - set(LOSS_OPTIONS)
    if unknown:
        raise UsageError(f"the recipe's [training] has unknown options: {', '.join(sorted(unknown))}")
    loss = {name: options.pop(name) for name in LOSS_OPTIONS if name in options}
    if loss.get("compiled") and on.type == "cpu":
        loss["compiled"] = minutes is None or minutes >= LEAST_COMPILED
        if loss["compiled"]:
            logger.info("the first steps compile what they compute, which takes two to six minutes, once on a machine")
    model = build(recipe["model"])
    if start_from is not None:
        path = start_from if start_from.is_file() else find_model(start_from) / "model.safetensors"
        load_weights(model.weights, read_weights(path))
    about = {"title": recipe.get("title", ""), "machine": f"{os.cpu_count()} cores, {platform.machine()}", **loss}
    task = TASKS[model.kind](model, recipe, places, about, on)
    if minutes is not None:
        options |= {"minutes": minutes, "decay": "cosine", "steps": MOST_STEPS}
    return Trainer(task, TrainingOptions(**options), folder, device)


def _flat_task(
    model: Any, recipe: dict[str, Any], places: Sequence[str], about: dict[str, Any], _device: torch.device
) -> DensityTask:
    return DensityTask(model, *_examples(recipe, places), **about)


def _pyramid_task(
    model: Any, recipe: dict[str, Any], places: Sequence[str], about: dict[str, Any], device: torch.device
) -> PyramidTask:
    variation = Variation(**recipe.get("variation", {}))
    train, validation = training_images(recipe, places), validation_images(recipe, places)
    return PyramidTask(model, train, validation, variation=variation, device=device, **about)


TASKS: dict[str, Callable[..., DensityTask | PyramidTask]] = {Flat.kind: _flat_task, Pyramid.kind: _pyramid_task}


def _examples(recipe: dict[str, Any], places: Sequence[str]) -> tuple[Examples, Examples]:
    from oddpixel.datasets.source import open_source

    data, network = recipe.get("data", {}), recipe["model"]["network"]
    if "corpus" in data and not places:
        return from_corpus(data["corpus"])
    if not places:
        raise UsageError("this recipe trains on your own images: name where they are")
    if data.get("layout") == "cifar10-binary" and any(Path(places[0]).glob("*.bin")):
        return from_cifar10(Path(places[0]))
    title = ", ".join(Path(place).name for place in places)
    return from_images(open_source(*places), network["image_size"], network["in_channels"], title)
