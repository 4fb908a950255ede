"""`train`: a density model, a cascade or an adapter, by its recipe."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from oddpixel.places import default_folder

from .options import DryRun


def train(
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help="The model folder; a training in it is resumed. IMAGES-model or RECIPE-model if not given.",
        ),
    ] = None,
    source: Annotated[
        list[str] | None, typer.Argument(help="Images to train on; none where the recipe names a corpus.")
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="A bundled recipe (digits, photo-rgb, cascade, style, edges, ...), or a TOML file; what suits the images "
            "if not given."
        ),
    ] = None,
    steps: Annotated[int | None, typer.Option(help="Train to this step instead of the recipe's.", min=1)] = None,
    start_from: Annotated[Path | None, typer.Option(help="Begin with this model's weights.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Train for so long, with the learning rate tied to the clock.", min=0.01)
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Of a cascade: only this one (a, b, c, guidance).")] = None,
    device: Annotated[
        str | None, typer.Option(help="cpu; the accelerator, where there is one, if nothing or cuda is named.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads.", min=1)] = None,
    dry_run: DryRun = False,
) -> None:
    """Train a density model, a cascade, or an adapter of one. Ctrl-C saves; the same command goes on.

    Several GPUs: accelerate launch.
    """
    from oddpixel.console import print_options, training_progress
    from oddpixel.devices import device_named
    from oddpixel.errors import UsageError
    from oddpixel.files import writable_folder
    from oddpixel.recipe import read_recipe

    recipe = _suited(source or []) if recipe is None else recipe
    resolved = read_recipe(recipe)
    kind = resolved["model"].get("kind")
    is_cascade = kind == "cascade"
    if steps is not None and is_cascade:
        raise UsageError("a cascade's recipe has steps for every stage; change them in a copy of it")
    if steps is not None:
        resolved["training"]["steps"] = steps
    out = default_folder(source or (recipe,), "model") if out is None else out
    if dry_run:
        return print_options("train", {"source": source or [], "out": out, "recipe": resolved})
    if device is not None:
        device_named(device)
    writable_folder(out)
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    if is_cascade:
        from oddpixel.console import stage_progress
        from oddpixel.generation.training.recipe import train as train_cascade

        with stage_progress() as on_stage:
            reached = train_cascade(
                resolved, source or [], out, on_stage, start_from, minutes=minutes, only=stage, device=device
            )
        print(f"{out}: stage {reached}")
        return None
    if kind == "local-edits":
        for option, given in (("--minutes", minutes), ("--start-from", start_from), ("--stage", stage)):
            if given is not None:
                raise UsageError(f"{option}: this recipe trains in rounds of its own; change them in a copy of it")
        from oddpixel.console import stage_progress
        from oddpixel.forensics.audit.local_edits.recipe import train as train_local_edits

        with stage_progress() as on_stage:
            reached = train_local_edits(resolved, source or [], out, on_stage, device=device)
        print(f"{out}: {reached}")
        return None
    if stage is not None:
        raise UsageError(f"--stage {stage}: only a cascade has stages")
    if kind == "adapter":
        from oddpixel.generation.training.adapter import prepare
    else:
        from oddpixel.forensics.density.recipe import prepare
    trainer = prepare(resolved, source or [], out, start_from, minutes=minutes, device=device)
    left = None if minutes is None else minutes - trainer.seconds / 60
    of = "" if minutes is not None else f" of {trainer.options.steps}"
    if trainer.is_done:
        more = "--minutes" if minutes is not None else "--steps"
        print(f"{out}: trained already, to step {trainer.step}{of}; a larger {more} goes on")
        return None
    if left is not None:
        print(f"training for {left:.3g} minutes, then measuring on what is held out", file=sys.stderr)
    with training_progress(trainer.options.steps, trainer.step, left) as on_step:
        trainer.run(on_step)
    if not trainer.is_done:
        print(f"{out}: stopped and saved at step {trainer.step}{of}; the same command goes on")
        return None
    print(f"{out}: step {trainer.step}{of}")
    if kind != "adapter":
        print(f"its card: {out / 'README.md'}; likelihoods: oddpixel density IMAGES --model {out}")
    return None


def _suited(source: list[str]) -> str:
    """The recipe for these images, which is said. Raises: UsageError without any."""
    from oddpixel.errors import UsageError
    from oddpixel.forensics.density.recipe_choice import recipe_for

    if not source:
        raise UsageError(
            "name images to train on, or a recipe: oddpixel train FOLDER, or oddpixel train --recipe digits"
        )
    chosen = recipe_for(source)
    print(f"recipe {chosen.recipe}: {chosen.because} (--recipe for another)", file=sys.stderr)
    for doubt in chosen.doubts:
        print(f"warning: {doubt}", file=sys.stderr)
    return chosen.recipe


EXAMPLES = (
    "train photos/ --minutes 30",
    "train --recipe cascade -o my-cascade",
)
COMMAND = train
