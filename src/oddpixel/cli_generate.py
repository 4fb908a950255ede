"""`generate`: pictures of the cascade."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddpixel.cli_options import AsJson, DryRun


def add_commands(app: typer.Typer) -> None:
    app.command()(generate)


def generate(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the pictures.")],
    asked: Annotated[str | None, typer.Argument(help="A label or text, as the cascade understands.")] = None,
    cascade: Annotated[str | None, typer.Option(help="A cascade's folder, as `oddpixel train` writes it.")] = None,
    official: Annotated[
        Path | None, typer.Option(help="Instead: a folder of Stable Cascade's and UltraPixel's own files.")
    ] = None,
    size: Annotated[str, typer.Option(help="HEIGHTxWIDTH in pixels.")] = "256x256",
    number: Annotated[int, typer.Option("-n", help="How many.", min=1)] = 1,
    seed: int = 0,
    instead: Annotated[str | None, typer.Option(help="What to be led away from.")] = None,
    reference: Annotated[str | None, typer.Option(help="An image whose layout guides the picture.")] = None,
    image: Annotated[str | None, typer.Option(help="An image to start from.")] = None,
    strength: Annotated[float, typer.Option(help="Of the noise on that image, up to 1.")] = 1.0,
    steps: Annotated[int | None, typer.Option(help="Steps of either pass of stage C.", min=1)] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "cpu",
    offload: Annotated[bool, typer.Option("--offload", help="Keep only the stage at work on the device.")] = False,
    json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Make synthetic pictures, every one marked as such. The layout of a real image may guide them (--reference)."""
    from oddpixel.console import print_options, steps_progress
    from oddpixel.envelope import envelope
    from oddpixel.generation.make import Order, make
    from oddpixel.generation.sizes import parsed

    order = Order(
        asked=asked,
        size=parsed(size),
        number=number,
        seed=seed,
        instead=instead,
        reference=reference,
        image=image,
        strength=strength,
        steps=steps,
    )
    if dry_run:
        return print_options("generate", {"out": out, "cascade": cascade, "official": official, **vars(order)})
    with steps_progress() as on_step:
        items = make(order, cascade, official, out, on_step, device, offload)
    print(envelope("generate", items=items) if json else "\n".join(str(out / item["item"]) for item in items))
    return None
