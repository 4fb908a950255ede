"""`demo`: the main job on real images that installed packages ship."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .flag import print_flagged


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the detector, the images and the run.")] = Path(
        "demo"
    ),
) -> None:
    """Fit on normal images that packages ship, flag others with planted and real oddities, and say where the report is."""
    from .demonstration import demonstrate

    print_flagged(demonstrate(out))


COMMAND = demo
