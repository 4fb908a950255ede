"""Figures of matplotlib, without pyplot: no window, no global state, and a notebook shows them whatever its backend.

Colours are those of Okabe and Ito, which colour-blind readers can tell apart.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from oddpixel.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

USUAL, ODD, FAINT = "#0072B2", "#D55E00", "#999999"
COLUMNS = 4  # of a grid of pictures
MOST_PICTURES = 12


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches. Raises: UsageError where matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("plots need matplotlib: pip install 'oddpixel[plots]'") from error

    class Shown(Figure):
        def _repr_png_(self) -> bytes:
            buffer = io.BytesIO()
            self.savefig(buffer, format="png", dpi=120)
            return buffer.getvalue()

    return Shown(figsize=(width, height), layout="constrained")


def picture_grid(pictures: Sequence[np.ndarray], titles: Sequence[str]) -> Figure:
    """Pictures `[h, w, 3]` side by side, each under its title; no more than `MOST_PICTURES`."""
    shown = list(zip(pictures, titles, strict=True))[:MOST_PICTURES]
    columns = max(min(COLUMNS, len(shown)), 1)
    rows = -(-len(shown) // columns)
    figure = new_figure(3 * columns, 3.3 * max(rows, 1))
    for place, (picture, title) in enumerate(shown, start=1):
        axes = figure.add_subplot(rows, columns, place)
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(plain_title(title), fontsize=9)
        axes.set_axis_off()
    return figure


def plain_title(text: str) -> str:
    """The text without what matplotlib takes for mathematics, and not longer than a picture is wide."""
    return "\n".join(line[:40] for line in text.replace("$", r"\$").splitlines())


def tidy(axes: Any, x: str, y: str) -> None:
    """Name the axes and take the frame away above and to the right."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
