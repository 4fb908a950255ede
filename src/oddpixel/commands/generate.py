"""`generate`: pictures of the cascade."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from .options import AsJson, DryRun


def generate(
    prompt: Annotated[
        str | None,
        typer.Argument(help="A label (photograph, object, brain-mr, ct), or text for a cascade that reads it."),
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the pictures.")] = Path("made"),
    label: Annotated[
        str | None, typer.Option("--label", "--prompt", help="The same, as an option.", show_default=False)
    ] = None,
    like: Annotated[
        str | None, typer.Option(help="An image whose low-resolution blueprint guides the picture.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="HEIGHTxWIDTH in pixels; 512x512 or the proportions of --like.")
    ] = None,
    count: Annotated[int, typer.Option("-n", "--count", help="How many, with seeds from --seed on.", min=1)] = 1,
    seed: int = 0,
    negative_prompt: Annotated[str | None, typer.Option(help="What the picture is led away from.")] = None,
    image: Annotated[str | None, typer.Option(help="An image to start from.")] = None,
    strength: Annotated[
        float | None, typer.Option(help="Of the noise on that image, above 0 and below 1; 0.6 if not given.")
    ] = None,
    adapter: Annotated[
        Path | None, typer.Option(help="A style or a control that `oddpixel train --recipe style|edges|mask` wrote.")
    ] = None,
    control: Annotated[str | None, typer.Option(help="The image that such a control follows.")] = None,
    mask: Annotated[str | None, typer.Option(help="White where that image is to be made anew.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of either pass of stage C.", min=1)] = None,
    cascade: Annotated[
        str, typer.Option(help="A bundled cascade, or a folder that `oddpixel train` wrote.")
    ] = "cascade",
    official: Annotated[
        Path | None, typer.Option(help="Instead: a folder of Stable Cascade's and UltraPixel's own files.")
    ] = None,
    format: Annotated[str, typer.Option(help="png, jpeg, webp or tiff; all are marked as synthetic.")] = "png",
    certificates: Annotated[Path | None, typer.Option(help="PEM, to sign a C2PA manifest with --key.")] = None,
    key: Annotated[Path | None, typer.Option(help="The private key of the first certificate, PEM.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1, ...")] = "cpu",
    offload: Annotated[bool, typer.Option("--offload", help="Keep only the stage at work on the device.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace pictures that are there.")] = False,
    json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Make synthetic pictures, every one marked as such. The layout of a real image may guide them (--like)."""
    from oddpixel.console import print_options, shown_progress
    from oddpixel.envelope import envelope
    from oddpixel.errors import UsageError

    if prompt is not None and label is not None:
        raise UsageError(f"two prompts, {prompt!r} and {label!r}; give one")
    options: dict[str, Any] = {
        "prompt": prompt if prompt is not None else label, "out": out, "like": like, "size": size, "count": count,
        "seed": seed, "negative_prompt": negative_prompt, "image": image, "strength": strength, "adapter": adapter,
        "control": control, "mask": mask, "steps": steps, "cascade": cascade, "official": official, "format": format,
        "certificates": certificates, "key": key, "device": device, "offload": offload, "overwrite": overwrite,
    }  # fmt: skip
    if dry_run:
        return print_options("generate", options)
    from oddpixel.api.generate import generate as make

    with shown_progress() as on_progress:
        made = make(**options, on_progress=on_progress)
    print(envelope("generate", items=made.items) if json else "\n".join(map(str, made.paths)))
    return None


EXAMPLES = (
    "generate photograph --size 512x512",
    "generate --like scan.dcm --size 1024x1024 -o like",
    "generate ct -n 8 --seed 10 -o made",
)
COMMAND = generate
