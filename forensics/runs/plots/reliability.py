"""Is the promise kept? Among images known as normal, the share with p up to alpha, for every alpha, with exact 95 % intervals.

Conformal p-values keep it at or below alpha, on average over calibration sets. Intervals are those of Clopper and Pearson.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from oddpixel.errors import NotPlotted
from oddpixel.figure import FAINT, USUAL, new_figure, tidy
from oddpixel.proportion import exact_intervals

from .plotted import Plot, Plotted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALPHAS = np.linspace(0.01, 1, 100)


def draw(plotted: Plotted) -> Figure:
    """Observed against promised. Raises: NotPlotted where no image is known as normal."""
    values = [row.p_value for row in plotted.scored if plotted.is_odd.get(row.item) is False]
    p_values = np.array([value for value in values if value is not None])
    if not len(p_values):
        raise NotPlotted(
            "no image is known as normal: decide in `oddpixel dashboard`, or name a place with labels (--labels)"
        )
    count, number = (p_values[None] <= ALPHAS[:, None]).sum(1), len(p_values)
    low, high = exact_intervals(count, np.full(len(count), number))
    figure = new_figure(4.6, 4.4)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, label="promised")
    axes.fill_between(ALPHAS, low, high, color=USUAL, alpha=0.2, linewidth=0, step="post")
    axes.step(ALPHAS, count / number, where="post", color=USUAL, label=f"observed among {number} normal images")
    axes.legend(frameon=False, loc="upper left")
    axes.set_aspect("equal")
    tidy(axes, "alpha", "share flagged")
    return figure


PLOT = Plot("reliability", "False alarms among images known as normal, against those promised", draw)
