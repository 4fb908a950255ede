"""`onnx`: a detector or a pyramid for runtimes without PyTorch."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from oddpixel.errors import UsageError
from oddpixel.places import default_folder


def onnx(
    model: Annotated[
        str | None, typer.Option("--model", help="A pyramid's folder, or the name of a bundled one.")
    ] = None,
    detector: Annotated[Path | None, typer.Option("--detector", help="A detector's folder instead.")] = None,
    size: Annotated[
        str | None, typer.Option(help="Of a detector: the HEIGHTxWIDTH in pixels of the pictures to come.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="A detector's file, DETECTOR.onnx if not given; a pyramid's folder, MODEL-graphs."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a detector's file that is there.")] = False,
) -> None:
    """Write a detector as one ONNX file (pixels in; score, p-value and map out), or a pyramid as one graph a scale."""
    if (model is None) == (detector is None):
        raise UsageError("give --detector with --size, or --model")
    if detector is not None:
        print(_detector(detector, size, out, overwrite))
        return
    if size is not None:
        raise UsageError("--size is for --detector; a pyramid's graphs take any")
    assert model is not None
    for path in _pyramid(model, out):
        print(path)


def _detector(detector: Path, size: str | None, out: Path | None, overwrite: bool) -> Path:
    from oddpixel.files import writable_folder
    from oddpixel.forensics.detect.graph.export import export_detector
    from oddpixel.forensics.detect.store import load
    from oddpixel.generation.sizes import parsed

    if size is None:
        raise UsageError("a detector's graph takes pictures of one size; give --size HEIGHTxWIDTH")
    path, wanted = Path(f"{detector.resolve().name}.onnx") if out is None else out, parsed(size)
    writable_folder(path.parent)
    if path.is_dir() or (path.exists() and not overwrite):
        raise UsageError(f"{path} is there already; name another file (-o), or replace it with --overwrite")
    try:
        difference = export_detector(load(detector), wanted, path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from error
    print(f"scores of noise pictures: at most {difference:.1g} deviations from the detector's own", file=sys.stderr)
    return path


def _pyramid(model: str, out: Path | None) -> list[Path]:
    from oddpixel.files import writable_folder
    from oddpixel.forensics.density.export import export_onnx
    from oddpixel.forensics.density.store import load_pyramid

    folder = default_folder((model,), "graphs") if out is None else out
    return export_onnx(load_pyramid(model), writable_folder(folder))


EXAMPLES = ("onnx --detector detector --size 480x640", "onnx --model photo-rgb")
COMMAND = onnx
