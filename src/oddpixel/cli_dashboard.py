"""`dashboard`: look at runs in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddpixel.cli_options import Store


def add_commands(app: typer.Typer) -> None:
    app.command()(dashboard)


def dashboard(
    runs: Annotated[list[Path] | None, typer.Argument(help="Run folders.")] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but a loopback one requires --token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8501,
    token: Annotated[
        str | None,
        typer.Option(
            help="Every visitor must know it; `new` makes one. Safer in the variable.", envvar="ODDPIXEL_TOKEN"
        ),
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where uploads, and the runs and detectors made here, go.")] = Path(
        "oddpixel-dashboard"
    ),
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Folders that visitors may read images from, by path; the current one if not given."),
    ] = None,
    store: Store = None,
) -> None:
    """Triage, compare, decide and export in a browser. Nothing is sent anywhere else."""
    from oddpixel.dashboards.serve import serve

    serve(runs or [], host=host, port=port, token=token, folder=folder, data=data or [Path()], store=store)
