"""`plot`: a run as figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from oddpixel.places import default_folder

from .options import RunFolder

FORMATS = ("png", "svg", "pdf")
DOTS_PER_INCH = 150


def plot(
    run: RunFolder,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the figures; RUN-plots if not given.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(help="Names, with commas; all that apply where not given. A wrong name lists them.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="A place with labels (mvtec:, imagefolder:, a manifest); else what people decided counts."),
    ] = None,
    format: Annotated[str, typer.Option(help="png, svg or pdf.")] = "png",
) -> None:
    """A run as figures: scores, overlays, power; ROC and reliability where it is known what is odd. Needs the extra `plots`."""
    from oddpixel.errors import NotPlotted, UsageError
    from oddpixel.files import writable_folder
    from oddpixel.forensics.runs.plots import plot as draw
    from oddpixel.forensics.runs.plots import plots
    from oddpixel.forensics.runs.run import Run

    from .ending import check_choice

    check_choice("--format", format, FORMATS)
    opened = Run.open(run)
    folder = default_folder((str(run),), "plots") if out is None else out
    names = [*plots()] if only is None else [name.strip() for name in only.split(",")]
    written = 0
    for name in names:
        try:
            figure = draw(opened, name, labels)
        except NotPlotted as reason:
            print(f"left out: {name}: {reason}", file=sys.stderr)
            continue
        path = writable_folder(folder) / f"{name}.{format}"
        figure.savefig(path, dpi=DOTS_PER_INCH)
        print(path)
        written += 1
    if not written:
        raise UsageError(f"{run} has nothing to plot")


EXAMPLES = (
    "plot run",
    "plot run --only scores,overlays --format pdf",
    "plot run --only roc,reliability --labels mvtec:screws",
)
COMMAND = plot
