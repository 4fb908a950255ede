"""`sample`: images drawn from a density model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddpixel.places import default_folder

from .options import Device


def sample(
    model: Annotated[str, typer.Option("--model", help="A model folder, or the name of a bundled model.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder for the images and their sheet; MODEL-samples if not given."),
    ] = None,
    number: Annotated[int, typer.Option("-n", help="How many images.", min=1)] = 16,
    sampler: Annotated[str | None, typer.Option(help="ddim, ddpm, dpm-solver-2 or flow-euler.")] = None,
    steps: Annotated[int, typer.Option(help="Denoising steps.", min=1)] = 50,
    seed: int = 0,
    label: Annotated[int | None, typer.Option(help="A class, for models that have them.")] = None,
    guidance: Annotated[float, typer.Option(help="Weight of classifier-free guidance.")] = 1.25,
    size: Annotated[int, typer.Option(help="Pixels a side, for pyramids; flat models have their own.", min=1)] = 128,
    device: Device = "cpu",
) -> None:
    """Draw images from a density model. Every one is marked as synthetic in its metadata."""
    from oddpixel.files import writable_folder
    from oddpixel.forensics.density.model import SampleRequest
    from oddpixel.forensics.density.sampling import write_samples
    from oddpixel.forensics.density.store import load_model

    request = SampleRequest(
        count=number, steps=steps, seed=seed, size=size, sampler=sampler, label=label, guidance=guidance
    )  # fmt: skip
    out = default_folder((model,), "samples") if out is None else out
    writable_folder(out)
    samples = load_model(model, device).sample(request)
    made_by = f"model {Path(model).name}, sampler {samples.sampler}, {steps} steps, seed {seed}"
    print(write_samples(out, samples.values, samples.bits, made_by))


EXAMPLES = ("sample --model digits --sampler ddpm -n 16",)
COMMAND = sample
