"""The oddest images, with their maps where they have any: on one scale, the same colour is the same rarity in each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pillow

from oddpixel.errors import NotPlotted
from oddpixel.figure import MOST_PICTURES, picture_grid

from ..heat_map import overlay, read_evidence
from .plotted import Plot, Plotted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..rows import Row

SCALE = "Brightest: a place as odd as one in 10,000 of normals. A white line surrounds what is marked."


def draw(plotted: Plotted) -> Figure:
    """A picture an image. Raises: NotPlotted."""
    rows = [row for row in plotted.rows if row.map or row.thumbnail][:MOST_PICTURES]
    if not rows:
        raise NotPlotted("no image of this run has a picture")
    figure = picture_grid([_picture(plotted, row) for row in rows], [_title(row) for row in rows])
    figure.supxlabel(SCALE, fontsize=8)
    return figure


def _picture(plotted: Plotted, row: Row) -> np.ndarray:
    if row.map is None:
        with Pillow.open(plotted.run.file(str(row.thumbnail)), formats=("WEBP",)) as thumbnail:
            return np.asarray(thumbnail.convert("RGB"))
    heat, picture = read_evidence(plotted.run, row.map)
    return overlay(heat, picture, plotted.decision.get("map_threshold"))


def _title(row: Row) -> str:
    p_value = "" if row.p_value is None else f"p = {row.p_value:.3g}, "
    if row.reason is not None and row.reason.channel == "verdict":
        return f"{row.item}\n{p_value}{row.reason.because.partition(':')[0]}"
    return f"{row.item}\n{p_value}{'flagged' if row.flagged else 'not flagged'}"


PLOT = Plot("overlays", "The oddest images, with their maps where they have any", draw)
