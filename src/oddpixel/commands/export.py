"""`export`: runs in forms that other programs read."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from .options import RunFolder, Store


def export(
    run: RunFolder,
    to: Annotated[str, typer.Option(help="A form, such as csv, parquet, coco, html or zip; a wrong name lists all.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="File, or folder for DICOM objects.")] = None,
    store: Store = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that an earlier export wrote.")
    ] = False,
) -> None:
    """A run with its verdicts, in a form that other programs read. DICOM results need the extra `dicom-results`."""
    from oddpixel.errors import UsageError
    from oddpixel.forensics.runs.export import export as write
    from oddpixel.forensics.runs.export import forms
    from oddpixel.forensics.runs.run import Run
    from oddpixel.naming import no_such

    if to not in forms():
        raise UsageError(no_such("form", to, forms()))
    place = out or Path(f"{run.resolve().name}-{to}{forms()[to].suffix}")
    left_out = write(Run.open(run), to, place, store=store, overwrite=overwrite)
    for sentence in left_out[:20]:
        print(f"left out: {sentence}", file=sys.stderr)
    if len(left_out) > 20:
        print(f"left out: {len(left_out) - 20} more", file=sys.stderr)
    print(place)


EXAMPLES = (
    "export run --to csv",
    "export run --to coco -o marks.json",
    "export run --to seg",
)
COMMAND = export
