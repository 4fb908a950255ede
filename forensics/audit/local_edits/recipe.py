"""From a recipe to a network: rounds of examples and learning, each looking for what misled the one before.

    [data] corpora           packaged photographs, by their roles
    [model]                  `NetworkOptions`
    [examples] crops, side   composites a round, and pixels a side
    [training]               the trainer's options, alike in every round, and how many held-out composites are looked at

Round k lies in OUT/rounds/k: its examples, kept every `PART` composites, and its training. A killed run finds both again.
The last round's network is OUT's.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from oddpixel.datasets.corpora import credits_of, fetch
from oddpixel.datasets.source import open_source, readable
from oddpixel.errors import CorruptWeights, UsageError
from oddpixel.records import checked
from oddpixel.training import Trainer, TrainingOptions

from .examples import Examples, examples
from .histories import Pixels
from .network import NetworkOptions, RegionNetwork
from .store import NETWORK, load_network
from .task import LocalEditTask

FEWEST = 2  # photographs: a splice needs two
PART = 500  # composites whose regions are kept at once
_WHOLE = {"type": "integer", "minimum": 1, "maximum": 10_000_000}
_SCHEMA = {
    "type": "object",
    "required": ["data", "model", "examples", "training"],
    "properties": {
        "data": {
            "type": "object",
            "required": ["corpora"],
            "properties": {"corpora": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
        },
        "model": NETWORK | {"properties": {"kind": {"const": "local-edits"}, **NETWORK["properties"]}},
        "examples": {
            "type": "object",
            "required": ["crops", "side"],
            "additionalProperties": False,
            "properties": {
                "crops": {"type": "array", "items": _WHOLE, "minItems": 1},
                "side": {"type": "integer", "minimum": 128, "maximum": 1024},
            },
        },
        "training": {"type": "object", "required": ["steps", "num_validated"], "properties": {"num_validated": _WHOLE}},
    },
}
OnStage = Callable[[str, int, int], Callable[[int, dict[str, float]], None]]


def train(
    recipe: dict[str, Any], places: Sequence[str], out: Path, on_stage: OnStage, *, device: str | None = None
) -> str:
    """Make the rounds that are left to make. Returns the last one reached.

    Arguments:
        on_stage: called with a stage's name, its step and its steps; returns what is called after every step.
        device: `cpu`, or None for the accelerator that there is.

    Raises: UsageError, UnreadableInput, ModelError.
    """
    if places:
        raise UsageError(
            "this recipe trains on packaged photographs whose licences and roles are known: name no images"
        )
    checked(recipe, _SCHEMA, "the recipe", UsageError, "cannot be trained by")
    options, num_validated = _options(recipe)
    architecture = NetworkOptions(**{name: value for name, value in recipe["model"].items() if name != "kind"})
    names = recipe["data"]["corpora"]
    for name in names:
        fetch(name)
    learning, held_out = _photographs(names, "train"), _photographs(names, "validation")
    side, counts = recipe["examples"]["side"], recipe["examples"]["crops"]
    known: list[Examples] = []
    miner: RegionNetwork | None = None
    for number, count in enumerate(counts):
        folder = out / "rounds" / str(number)
        made_by = json.dumps({"corpora": names, "side": side, "crops": counts[: number + 1]})
        on_step = on_stage(f"examples of round {number}", 0, count)
        for first in range(0, count, PART):
            part = range(first, min(first + PART, count))
            known.append(_examples(folder, learning, part, side, number, miner, made_by))
            on_step(part.stop, {})
        together = Examples(
            np.concatenate([each.descriptions for each in known]), np.concatenate([each.is_edited for each in known])
        )
        torch.manual_seed(options.seed)
        task = LocalEditTask(
            RegionNetwork(architecture), together, held_out, side=side, num_validated=num_validated,
            credits={"corpora": names, "crops": sum(counts[: number + 1]), **credits_of(names)},
        )  # fmt: skip
        trainer = Trainer(task, options, folder, device)
        trainer.run(on_stage(f"round {number}", trainer.step, options.steps))
        if trainer.was_interrupted or not trainer.is_done:
            return f"round {number}, stopped"
        miner = load_network(folder)
        for name in ("model.json", "model.safetensors", "README.md"):
            shutil.copyfile(folder / name, out / name)
    return f"round {len(counts) - 1}"


def _options(recipe: dict[str, Any]) -> tuple[TrainingOptions, int]:
    options = dict(recipe["training"])
    num_validated = options.pop("num_validated")
    unknown = options.keys() - {field.name for field in fields(TrainingOptions)}
    if unknown:
        raise UsageError(f"the recipe's [training] has unknown options: {', '.join(sorted(unknown))}")
    return TrainingOptions(**options), num_validated


def _photographs(names: Sequence[str], role: str) -> list[Pixels]:
    images = [
        np.ascontiguousarray(np.rint(image.pixels.transpose(1, 2, 0) * 255).astype(np.uint8))
        for image in readable(open_source(*(f"corpus:{name}/{role}" for name in names)))
        if image.pixels.shape[0] == 3
    ]
    if len(images) < FEWEST:
        raise UsageError(f"{len(images)} photographs in colours have the role {role}; at least {FEWEST} are needed")
    return images


def _examples(
    folder: Path,
    photographs: Sequence[Pixels],
    part: range,
    side: int,
    seed: int,
    miner: RegionNetwork | None,
    made_by: str,
) -> Examples:
    """A part of the round's examples, made or found again.

    Raises: UsageError where another recipe made them, CorruptWeights.
    """
    path = folder / f"examples-{part.start}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        fresh = examples(photographs, part, side, seed, miner)
        temporary = path.with_suffix(".tmp")
        tensors = {"descriptions": fresh.descriptions.astype(np.float16), "is_edited": fresh.is_edited}
        save_file(tensors, temporary, {"made_by": made_by})
        temporary.replace(path)
    try:
        with safe_open(path, "np") as stored:
            if (stored.metadata() or {}).get("made_by") != made_by:
                raise UsageError(f"{path} was made by another recipe (corpora, crops or side); use another folder")
            return Examples(stored.get_tensor("descriptions"), stored.get_tensor("is_edited"))
    except (SafetensorError, OSError) as error:
        raise CorruptWeights(f"{path} cannot be read ({error}); delete it to make it again") from error
