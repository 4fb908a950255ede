"""One self-contained page with a tile for every image of a run: no script, no request, every text escaped."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2

# More tiles than this make a page of many megabytes; the run's table has them all.
MAX_TILES = 500


def write_contact_sheet(path: Path, title: str, items: Sequence[dict[str, Any]]) -> None:
    """Write the page beside the run's thumbnails, which it takes in as data URLs."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(files(__package__ or "").joinpath("contact_sheet.html").read_text())
    tiles = [{**item, "picture": _data_url(path.parent, item.get("thumbnail"))} for item in items[:MAX_TILES]]
    path.write_text(template.render(title=title, tiles=tiles, total=len(items)))


def _data_url(folder: Path, thumbnail: str | None) -> str | None:
    if thumbnail is None:
        return None
    return "data:image/webp;base64," + base64.b64encode((folder / thumbnail).read_bytes()).decode()
