"""`bench`: measure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import AsJson


def bench(
    name: Annotated[str, typer.Argument(help="Which benchmark; `all` for every one that needs no argument.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the JSON.")] = Path("benchmarks"),
    fixtures: Annotated[Path | None, typer.Option(help="parity: a folder with a manifest.json.")] = None,
    json: AsJson = False,
) -> None:
    """Measure: prints a table and writes JSON with machine, versions and seed."""
    from oddpixel.bench import run
    from oddpixel.envelope import envelope

    results = run(name, out, {"fixtures": fixtures} if fixtures else {}, quiet=json)
    if json:
        print(envelope("bench", results=results))
    if not all(result["passed"] for result in results):
        raise typer.Exit(1)


COMMAND = bench
