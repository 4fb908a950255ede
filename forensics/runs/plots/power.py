"""What the run would have found: shares of planted anomalies that are flagged, by kind and strength, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from oddpixel.errors import NotPlotted
from oddpixel.figure import USUAL, new_figure, tidy

from .plotted import Plot, Plotted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 3


def draw(plotted: Plotted) -> Figure:
    """A panel for each kind. Raises: NotPlotted where the run has no statement of power."""
    power = plotted.decision.get("power")
    if not power or not power.get("cells"):
        raise NotPlotted("no statement of power: the detector was fitted with --quick, or this rule withdraws it")
    cells = sorted(power["cells"], key=lambda cell: cell["kind"])
    kinds = [(kind, list(of_kind)) for kind, of_kind in groupby(cells, lambda cell: cell["kind"])]
    columns = min(COLUMNS, len(kinds))
    rows = -(-len(kinds) // columns)
    figure = new_figure(3.2 * columns, 2.6 * rows)
    for place, (kind, of_kind) in enumerate(kinds, start=1):
        _panel(figure.add_subplot(rows, columns, place), kind, of_kind)
    return figure


def _panel(axes: Any, kind: str, cells: Sequence[Mapping[str, Any]]) -> None:
    ordered = sorted(cells, key=lambda cell: cell["amount"])
    shares = [cell["found"] / cell["tried"] for cell in ordered]
    below = [share - cell["low"] for share, cell in zip(shares, ordered, strict=True)]
    above = [cell["high"] - share for share, cell in zip(shares, ordered, strict=True)]
    axes.errorbar(range(len(ordered)), shares, (below, above), color=USUAL, marker="o", capsize=3)
    axes.set_xticks(range(len(ordered)), [cell["measured"] for cell in ordered], fontsize=6, rotation=20, ha="right")
    axes.set_ylim(-0.05, 1.05)
    axes.set_title(kind.replace("-", " "), fontsize=9)
    tidy(axes, "", "share flagged")


PLOT = Plot("power", "Shares of planted anomalies that are found, by kind and strength", draw)
