"""Score distribution, and p-values against what they would be if all images were normal.

Conformal p-values of normal groups are uniform, so their sorted values follow the diagonal; odd images bend the curve down at
its beginning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from oddpixel.figure import FAINT, ODD, USUAL, new_figure, tidy

from .plotted import Plot, Plotted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BARS = 40


def draw(plotted: Plotted) -> Figure:
    """Two panels. Raises: NotPlotted."""
    scores = np.array([row.raw for row in plotted.scored], np.float64)
    flagged = np.array([bool(row.flagged) for row in plotted.scored])
    figure = new_figure(9, 3.6)
    bars, ranks = figure.subplots(1, 2)
    edges = np.histogram_bin_edges(scores, bins=min(MOST_BARS, max(20, 2 * int(len(scores) ** 0.5))))
    parts = [scores[~flagged], scores[flagged]]
    labels = [f"not flagged ({(~flagged).sum()})", f"flagged ({flagged.sum()})"]
    bars.hist(parts, bins=edges, stacked=True, color=[USUAL, ODD], label=labels)
    bars.legend(frameon=False)
    tidy(bars, "score (higher is odder)", "images")
    _ranks(ranks, plotted)
    return figure


def _ranks(axes: Any, plotted: Plotted) -> None:
    rows = sorted((row for row in plotted.rows if row.p_value is not None), key=lambda row: row.p_value or 0.0)
    expected = (np.arange(len(rows)) + 1) / (len(rows) + 1)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, label="if all were normal")
    colours = [ODD if row.flagged else USUAL for row in rows]
    axes.scatter(expected, [row.p_value for row in rows], c=colours, s=14)
    rule = plotted.decision.get("rule") or {}
    if rule.get("alpha") is not None and rule.get("fdr") is None:
        axes.axhline(rule["alpha"], color=ODD, linewidth=1, linestyle="--", label=f"alpha {rule['alpha']:g}")
    axes.legend(frameon=False)
    tidy(axes, "share of images", "p-value")


PLOT = Plot("scores", "Score distribution, and p-values against those of normal images", draw)
