"""Training a cascade by its recipe, stage after stage: A, then B with the encoder, then C, then guidance.

    [model]        options of every part (`CascadeOptions`)
    [data]         corpora, and a label for each
    [a] [b] [c] [guidance]     the trainer's options; `side` of crops for a; for the others `sides`, how many `crops` of
                               each, and their `shares` of the steps; `part` of the minutes where it goes by the clock
    [b.cuda] ...               what is otherwise on an accelerator, whose time is worth larger batches

Each stage is trained in OUT/stages/NAME, resumes there, and hands its weights to the next; the cascade in OUT is that of the last
stage reached. After stage A its latent is brought to unit deviation and the semantic components are found (`settle`).
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from oddpixel.errors import UsageError
from oddpixel.training import MOST_STEPS, Trainer, TrainingOptions
from oddpixel.weights import load_weights, read_weights

from ..cascade import Cascade, CascadeOptions, find_cascade, read_content, save_cascade
from .guidance import GuidanceTask
from .latents import LatentMaker, to_device
from .pictures import Pictures
from .recipe_pictures import pictures_of
from .stage_a import StageATask, settle
from .stage_b import StageBTask
from .stage_c import StageCTask
from .task import training_device

STAGES = ("a", "b", "c", "guidance")
HELD_OUT = 8  # crops of each grid that figures are taken on
OnStage = Callable[[str, int, int], Callable[[int, dict[str, float]], None]]


def train(
    recipe: dict[str, Any],
    places: Sequence[str],
    out: Path,
    on_stage: OnStage,
    start_from: Path | None = None,
    *,
    minutes: float | None = None,
    only: str | None = None,
    device: str | None = None,
) -> str:
    """Train the stages that are left to train. Returns the last stage reached.

    Arguments:
        places: images of the user's own; the recipe's corpora where none are named.
        on_stage: called with a stage's name, its step and its steps; returns what is called after every step.
        minutes: of training in all, dealt to the stages by their `part`.
        only: the one stage to train, from what is in `out`.
        device: `cpu`, or None for the accelerator that there is.

    Raises: UsageError, UnreadableInput, ModelError.
    """
    cascade = Cascade(CascadeOptions.from_json(recipe["model"]))
    record = _record(recipe)
    if start_from is not None:
        folder = find_cascade(start_from)
        _load(cascade, folder)
        record["stages"] = read_content(folder)["record"]["stages"]
    learning, held_out = (pictures_of(recipe, places, role) for role in ("train", "validation"))
    record["data"] = learning.credits | {"pictures": len(learning), "sha256": learning.sha256}
    stages = _sections(recipe, minutes, training_device(device).type)
    if only is not None and only not in stages:
        raise UsageError(f"the recipe has no stage {only!r}; it has {', '.join(stages)}")
    reached = ""
    for stage, (options, extra) in stages.items():
        folder = out / "stages" / stage
        if only not in (None, stage):
            is_earlier = STAGES.index(stage) < STAGES.index(str(only))
            if is_earlier and start_from is None and not (folder / "model.json").is_file():
                raise UsageError(
                    f"stage {only} needs stage {stage}, which {out} does not contain; train stage {stage} first"
                )
            if is_earlier and (folder / "model.json").is_file():
                _load(cascade, folder)
                record["stages"] = read_content(folder)["record"]["stages"]
            continue
        on_device = [pictures.to(training_device(device)) for pictures in (learning, held_out)]
        cascade.to(training_device(device))
        task = _task(stage, cascade, on_device[0], on_device[1], options, extra, out)
        trainer = Trainer(_Saving(task, cascade, stage, record), options, folder, device)
        trainer.run(on_stage(stage, trainer.step, options.steps))
        reached = stage
        if trainer.was_interrupted or not trainer.is_done:
            break  # interrupted; the same call goes on
        _load(cascade, folder)  # the averaged weights
        record["stages"] = read_content(folder)["record"]["stages"]
        if trainer.accelerator.is_main_process:
            if stage == "a" and not record["stages"]["a"].get("is_settled"):
                settle(cascade.a, cascade.encoder, on_device[0])
                record["stages"]["a"]["is_settled"] = True
                save_cascade(folder, cascade, record)
            for name in ("model.json", "model.safetensors", "README.md"):
                shutil.copyfile(folder / name, out / name)
        trainer.accelerator.wait_for_everyone()
        _load(cascade, folder)
    return reached


def _sections(
    recipe: dict[str, Any], minutes: float | None, device: str
) -> dict[str, tuple[TrainingOptions, dict[str, Any]]]:
    """Options of every stage, in their order, on a kind of device."""
    parts = {stage: recipe[stage].get("part", 1.0) for stage in STAGES if stage in recipe}
    whole = sum(parts.values())
    sections = {}
    for stage, part in parts.items():
        section = recipe[stage]
        options, extra = _options({k: v for k, v in section.items() if k != "cuda"} | section.get(device, {}))
        if minutes is not None:
            options = replace(options, minutes=minutes * part / whole, steps=MOST_STEPS)
        sections[stage] = options, extra
    return sections


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

    @property
    def device(self) -> torch.device:
        return torch.device(self.task.device)

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
    stage: str,
    cascade: Cascade,
    learning: Pictures,
    held_out: Pictures,
    options: TrainingOptions,
    extra: dict[str, Any],
    out: Path,
) -> Any:
    cascade.requires_grad_(True)
    if stage == "a":
        return StageATask(cascade.a, learning, held_out, **extra)
    cascade.eval()
    try:
        sides, shares, crops = extra["sides"], extra["shares"], extra["crops"]
    except KeyError as error:
        raise UsageError(f"the recipe's [{stage}] lacks {error}") from None
    counts = dict(zip(sides, crops, strict=True))
    cache = out / "stages" / f"latents-{stage}"
    device = learning.stored[0].device
    bf16 = options.mixed_precision == "bf16"
    if stage == "b":
        maker = LatentMaker(cascade.a.encode, cascade.a, learning, options.seed, bf16=bf16)
        latents = maker.latents(counts, cache.with_suffix(".safetensors"))
        return StageBTask(cascade, to_device(latents, device), held_out, shares)
    low_side = cascade.options.geometry.base * cascade.encoder.reduction if stage == "guidance" else None
    train = LatentMaker(cascade.encoder, cascade.encoder, learning, options.seed, low_side, bf16)
    validation = replace(train, pictures=held_out, bf16=False)
    return {"c": StageCTask, "guidance": GuidanceTask}[stage](
        cascade,
        to_device(train.latents(counts, cache.with_suffix(".train.safetensors")), device),
        validation.latents(dict.fromkeys(sides, HELD_OUT), cache.with_suffix(".validation.safetensors")),
        shares,
    )


def _options(section: dict[str, Any]) -> tuple[TrainingOptions, dict[str, Any]]:
    trainer_options = {f.name for f in fields(TrainingOptions)}
    own = {"part", "side", "sides", "shares", "crops"}
    if unknown := section.keys() - trainer_options - own:
        raise UsageError(f"the recipe has unknown options: {', '.join(sorted(unknown))}")
    training = {name: value for name, value in section.items() if name in trainer_options}
    return TrainingOptions(**training), {name: value for name, value in section.items() if name in own}


def _load(cascade: Cascade, folder: Path) -> None:
    weights = read_weights(folder / "model.safetensors")
    load_weights(cascade, {n: v.float() if v.is_floating_point() else v for n, v in weights.items()}, f"{folder}")


def _record(recipe: dict[str, Any]) -> dict[str, Any]:
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    return {"title": recipe.get("title", ""), "note": recipe.get("note", ""), "machine": machine, "stages": {}}
