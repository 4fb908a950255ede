"""One self-contained page with a tile for every image of a run: no script, no request, every text escaped."""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from oddpixel.border import border
from oddpixel.errors import OddPixelError, describe
from oddpixel.forensics.runs.run import Run

logger = logging.getLogger(__name__)
# More tiles than this make a page of many megabytes; the run's table has them all.
MAX_TILES = 500


def write_contact_sheet(run: Run, title: str, items: Sequence[dict[str, Any]]) -> None:
    """Write `index.html` with the run's thumbnails as data URLs. Raises: RunError."""

    def draw(item: dict[str, Any]) -> Markup:
        return _drawn(item | {"picture": _data_url(run, item.get("thumbnail"))})

    tiles = list(border(items[:MAX_TILES], draw, _failed))
    page = _template("contact_sheet.html").render(title=title, tiles=tiles, total=len(items))
    with run.writing(run.path / "index.html") as file:
        file.write(page.encode())


def _drawn(tile: dict[str, Any]) -> Markup:
    return Markup(_template("contact_sheet_tile.html").render(tile=tile))


def _failed(item: dict[str, Any], error: OddPixelError) -> Markup:
    logger.warning("%s could not be drawn on the page: %s", item["item"], error)
    return _drawn({"item": item["item"], "picture": None, "error": item["error"] or describe(error)})


@cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(files(__package__ or "").joinpath(name).read_text("utf-8"))


def _data_url(run: Run, thumbnail: str | None) -> str | None:
    if thumbnail is None:
        return None
    return "data:image/webp;base64," + base64.b64encode(run.content(thumbnail)).decode()
