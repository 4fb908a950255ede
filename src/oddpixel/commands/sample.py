"""`sample`: images drawn from a density model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def sample(
    model: Annotated[str, typer.Option("--model", help="A model folder, or the name of a bundled model.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the images and their sheet.")],
    number: Annotated[int, typer.Option("-n", help="How many images.", min=1)] = 16,
    sampler: Annotated[str | None, typer.Option(help="ddim, ddpm, dpm-solver-2 or flow-euler.")] = None,
    steps: Annotated[int, typer.Option(help="Denoising steps.", min=1)] = 50,
    seed: int = 0,
    label: Annotated[int | None, typer.Option(help="A class, for models that have them.")] = None,
    guidance: Annotated[float, typer.Option(help="Weight of classifier-free guidance.")] = 1.25,
    size: Annotated[int, typer.Option(help="Pixels a side, for pyramids; flat models have their own.", min=1)] = 128,
) -> None:
    """Draw images from a density model. Every one is marked as synthetic in its metadata."""
    from oddpixel.forensics.density.pyramid import Pyramid
    from oddpixel.forensics.density.sampling import sample_pyramid, sample_values, write_samples
    from oddpixel.forensics.density.store import load_model

    loaded = load_model(model)
    if isinstance(loaded, Pyramid):
        sampler, bits = "ancestral", 8
        values = sample_pyramid(loaded, number, (size, size), num_steps=steps, seed=seed)
    else:
        bits = loaded.quanta.bits
        values = sample_values(
            loaded, number, sampler=sampler, num_steps=steps, seed=seed, label=label, guidance=guidance
        )
    made_by = f"model {Path(model).name}, sampler {sampler or 'default'}, {steps} steps, seed {seed}"
    print(write_samples(out, values, bits, made_by))


COMMAND = sample
