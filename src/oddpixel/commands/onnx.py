"""`onnx`: a pyramid for runtimes without PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddpixel.places import default_folder


def onnx(
    model: Annotated[str, typer.Option("--model", help="A pyramid's folder, or the name of a bundled one.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the graphs; MODEL-graphs if not given.")
    ] = None,
) -> None:
    """Write a pyramid's networks as ONNX, one graph a scale, for runtimes without PyTorch."""
    from oddpixel.files import writable_folder
    from oddpixel.forensics.density.export import export_onnx
    from oddpixel.forensics.density.store import load_pyramid

    folder = default_folder((model,), "graphs") if out is None else out
    for path in export_onnx(load_pyramid(model), writable_folder(folder)):
        print(path)


EXAMPLES = ("onnx --model photo-rgb",)
COMMAND = onnx
