"""The page of a flagged run: self-contained, no script, no request, every text escaped."""

from __future__ import annotations

import base64
import io
import logging
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup
from PIL import Image as Pillow

from oddpixel.border import border
from oddpixel.counting import counted
from oddpixel.errors import OddPixelError, describe

from .heat_map import overlay, read_evidence
from .rows import Row, odd_themselves
from .run import Run
from .verdicts import Chain

logger = logging.getLogger(__name__)
MAX_ROWS = 200  # the run's table has them all
MAX_CURVES = 40
SHOWN = ("item", "group", "p_value", "q_value", "flagged", "reasons", "notes", "error")
WIDE, HIGH = 220, 40  # of a curve, in its own units


Decided = Mapping[
    tuple[str, str | None], Mapping[str, str | None]
]  # columns of what people decided, by item and SHA-256


def write_report(
    run: Run, rows: Sequence[Row], decision: Mapping[str, Any], groups: Sequence[Mapping[str, Any]]
) -> None:
    """Write `index.html` in the run's folder. Raises: RunError."""
    with run.writing(run.path / "index.html") as file:
        file.write(rendered(run, rows, decision, groups).encode())


def rendered(
    run: Run,
    rows: Sequence[Row],
    decision: Mapping[str, Any],
    groups: Sequence[Mapping[str, Any]],
    decided: Decided | None = None,
    chain: Chain | None = None,
) -> str:
    """The HTML page of a run.

    Arguments:
        rows: oddest first.
        chain: of the log that those decisions are in.
    """

    decisive = odd_themselves(rows, decision.get("flagged_up_to"))

    def draw(row: Row) -> Markup:
        people = dict((decided or {}).get((row.item, row.sha256), {}))
        return _drawn(shown_row(run, row, decision) | people | {"is_decisive": row.item in decisive})

    top = max((value for group in groups for value in group["curve"]), default=0.0)  # one scale for all groups
    several = [group | {"line": _line(group["curve"], top)} for group in map(dict, groups) if group["num_images"] > 1]
    return _template("report.html").render(
        rows=list(border(rows[:MAX_ROWS], draw, _failed)), total=len(rows), decision=decision,
        groups=several[:MAX_CURVES], wide=WIDE, high=HIGH, chain=chain, counted=counted,
    )  # fmt: skip


def _drawn(row: Mapping[str, Any]) -> Markup:
    return Markup(_template("report_row.html").render(row=row))


def _failed(row: Row, error: OddPixelError) -> Markup:
    """Its decision stands in the table; only its place on the page is lost."""
    logger.warning("%s could not be drawn on the page: %s", row.item, error)
    shown = {"item": row.item, "group": row.group, "thumbnail": None, "overlay": None}
    return _drawn(shown | {"error": describe(error)})


@cache
def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(files(__package__ or "").joinpath(name).read_text("utf-8"))


def shown_row(run: Run, row: Row, decision: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a row, with its pictures as data URLs."""
    overlaid = None
    if row.map is not None and row.flagged:
        heat, picture = read_evidence(run, row.map)
        buffer = io.BytesIO()
        Pillow.fromarray(overlay(heat, picture, decision.get("map_threshold"))).save(buffer, "WEBP", quality=80)
        overlaid = _data_url(buffer.getvalue())
    thumbnail = None if row.thumbnail is None else _data_url(run.content(row.thumbnail))
    return {name: getattr(row, name) for name in SHOWN} | {"thumbnail": thumbnail, "overlay": overlaid}


def _data_url(content: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(content).decode()


def _line(curve: Sequence[float], top: float) -> str:
    """Points of an SVG polyline: member scores in order, zero at the bottom."""
    top = max(top, 1e-9)
    step = WIDE / max(len(curve) - 1, 1)
    return " ".join(f"{index * step:.1f},{HIGH - HIGH * max(value, 0) / top:.1f}" for index, value in enumerate(curve))
