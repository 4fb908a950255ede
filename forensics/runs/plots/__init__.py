"""A run as figures. One plot a file, found by walking this folder: a file with a `PLOT`.

plot(run, "scores").savefig("scores.png")
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from oddpixel.discover import discover
from oddpixel.errors import UsageError
from oddpixel.naming import no_such

from ..run import Run
from .plotted import Plot, Plotted

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@cache
def plots() -> dict[str, Plot]:
    """All plots by name."""
    return discover(__name__, "PLOT")


def plot(run: Run, name: str, labels: str | None = None) -> Figure:
    """The figure of that name.

    Arguments:
        labels: a place whose labels say what is normal; None for what people decided.

    Raises: UsageError for another name or without matplotlib, NotPlotted where the run has not what it needs.
    """
    if name not in plots():
        raise UsageError(no_such("plot", name, plots()))
    return plots()[name].draw(Plotted.of(run, labels))
