"""Training a cascade by its recipe, stage after stage: A, then B with the encoder, then C, then guidance.

    [model]        options of every part (`CascadeOptions`)
    [data]         corpora, and a label for each
    [a] [b] [c] [guidance]     the trainer's options; `side` of crops for a and b, `grids` and `shares` for c and guidance

Each stage is trained in OUT/stages/NAME, resumes there, and hands its weights to the next; the cascade in OUT is that of the last
stage reached.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from oddpixel.errors import UsageError
from oddpixel.training import Trainer, TrainingOptions
from oddpixel.weights import load_weights, read_weights

from ..cascade import Cascade, CascadeOptions, find_cascade, read_content, save_cascade
from .guidance import GuidanceTask
from .latents import Latents, latents
from .pictures import Pictures
from .recipe_pictures import pictures_of
from .stage_a import StageATask
from .stage_b import StageBTask
from .stage_c import StageCTask

STAGES = ("a", "b", "c", "guidance")
HELD_OUT = 8  # crops of each grid that figures are taken on
OnStage = Callable[[str, int, int], Callable[[int, dict[str, float]], None]]


def train(
    recipe: dict[str, Any], places: Sequence[str], out: Path, on_stage: OnStage, start_from: Path | None = None
) -> str:
    """Train what is left to train. Returns the stage that was reached.

    Arguments:
        places: images of the user's own; the recipe's corpora where none are named.
        on_stage: told a stage's name, its step and its steps; returns what is told of every step.

    Raises: UsageError, UnreadableInput, ModelError.
    """
    cascade = Cascade(CascadeOptions.from_json(recipe["model"]))
    record = _record(recipe)
    if start_from is not None:
        folder = find_cascade(start_from)
        _load(cascade, folder)
        record["stages"] = read_content(folder)["record"]["stages"]
    learning, held_out = (pictures_of(recipe, places, role) for role in ("train", "validation"))
    record["data"] = learning.about | {"pictures": len(learning), "sha256": learning.sha256}
    reached = ""
    for stage in (name for name in STAGES if name in recipe):
        options, extra = _options(recipe[stage])
        folder = out / "stages" / stage
        task = _task(stage, cascade, learning, held_out, extra, options.seed, out)
        trainer = Trainer(_Saving(task, cascade, stage, record), options, folder)
        trainer.run(on_stage(stage, trainer.step, options.steps))
        reached = stage
        if trainer.step < options.steps:
            break  # interrupted; the same call goes on
        _load(cascade, folder)  # the averaged weights
        record["stages"] = read_content(folder)["record"]["stages"]
        if trainer.accelerator.is_main_process:
            for name in ("model.json", "model.safetensors", "README.md"):
                shutil.copyfile(folder / name, out / name)
    return reached


@dataclass(eq=False)
class _Saving:
    """A stage's task, that saves the whole cascade with what is known of every stage."""

    task: Any
    cascade: Cascade
    stage: str
    record: dict[str, Any]

    def __post_init__(self) -> None:
        self.figures: dict[str, float] = {}

    @property
    def objective(self) -> nn.Module:
        objective: nn.Module = self.task.objective
        return objective

    @property
    def num_examples(self) -> int:
        return int(self.task.num_examples)

    def batch(self, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        batch: dict[str, Tensor] = self.task.batch(indices, generator)
        return batch

    def validate(self) -> dict[str, float]:
        self.figures = self.task.validate()
        return self.figures

    def save(self, folder: Path, record: dict[str, Any]) -> None:
        stages = self.record["stages"] | {self.stage: record | {"figures": self.figures}}
        save_cascade(folder, self.cascade, self.record | {"stages": stages})


def _task(
    stage: str, cascade: Cascade, learning: Pictures, held_out: Pictures, extra: dict[str, Any], seed: int, out: Path
) -> Any:
    cascade.requires_grad_(True)
    if stage == "a":
        return StageATask(cascade.a, learning, held_out, **extra)
    if stage == "b":
        return StageBTask(cascade, learning, held_out, **extra)
    try:
        grids, shares, crops = extra["grids"], extra["shares"], extra["crops"]
    except KeyError as error:
        raise UsageError(f"the recipe's [{stage}] lacks {error}") from None
    found: list[dict[int, Latents]] = []
    for role, pictures, count in (("train", learning, crops), ("validation", held_out, [HELD_OUT] * len(grids))):
        kept = out / "stages" / f"latents-{stage}-{role}.safetensors"
        counts = dict(zip(grids, count, strict=True))
        options = cascade.options
        made = latents(cascade.encoder, pictures, counts, options.geometry.base, cascade.encoder.reduction, seed, kept)
        found.append(made)
    return {"c": StageCTask, "guidance": GuidanceTask}[stage](cascade, found[0], found[1], shares)


def _options(section: dict[str, Any]) -> tuple[TrainingOptions, dict[str, Any]]:
    known = {f.name for f in fields(TrainingOptions)}
    own = {"side", "grids", "shares", "crops"}
    if unknown := section.keys() - known - own:
        raise UsageError(f"the recipe has unknown options: {', '.join(sorted(unknown))}")
    training = {name: value for name, value in section.items() if name in known}
    return TrainingOptions(**training), {name: value for name, value in section.items() if name in own}


def _load(cascade: Cascade, folder: Path) -> None:
    weights = read_weights(folder / "model.safetensors")
    load_weights(cascade, {n: v.float() if v.is_floating_point() else v for n, v in weights.items()}, f"{folder}")


def _record(recipe: dict[str, Any]) -> dict[str, Any]:
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    return {"title": recipe.get("title", ""), "machine": machine, "stages": {}}
