"""The receiver operating characteristic of the scores, where it is known which images are odd; AUROC with its 95 % interval.

AUROC is the share of pairs of an odd and a normal image that the scores order rightly (ties count half). Its interval is that
of DeLong, DeLong and Clarke-Pearson (1988), on the logit so that it stays between 0 and 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from oddpixel.figure import FAINT, ODD, new_figure, tidy

from .plotted import Plot, Plotted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Z = 1.959964  # 95 %


def draw(plotted: Plotted) -> Figure:
    """The curve. Raises: NotPlotted without normal and odd images."""
    normal, odd = (np.array([row.raw for row in rows], np.float64) for rows in plotted.known)
    value, low, high = auroc(normal, odd)
    figure = new_figure(4.6, 4.4)
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
    label = f"AUROC {value:.3f} ({low:.3f} to {high:.3f})\n{len(odd)} odd, {len(normal)} normal"
    axes.step(*curve(normal, odd), where="post", color=ODD, label=label)
    axes.legend(frameon=False, loc="lower right")
    axes.set_aspect("equal")
    tidy(axes, "false alarms among normal images", "found among odd images")
    return figure


def curve(normal: Float[np.ndarray, "n"], odd: Float[np.ndarray, "m"]) -> tuple[np.ndarray, np.ndarray]:
    """Rates of false alarms and of what is found, for thresholds from high to low."""
    thresholds = np.concatenate([[np.inf], np.unique(np.concatenate([normal, odd]))[::-1]])
    false_alarms = (normal[None] >= thresholds[:, None]).mean(1)
    found = (odd[None] >= thresholds[:, None]).mean(1)
    return false_alarms, found


def auroc(normal: Float[np.ndarray, "n"], odd: Float[np.ndarray, "m"]) -> tuple[float, float, float]:
    """AUROC, and its interval; the whole range where a side has one image."""
    ranks = rankdata(np.concatenate([odd, normal]))
    of_odd = (ranks[: len(odd)] - rankdata(odd)) / len(normal)  # share of normals below each odd image
    of_normal = 1 - (ranks[len(odd) :] - rankdata(normal)) / len(odd)
    value = float(of_odd.mean())
    if min(len(normal), len(odd)) < 2:
        return value, 0.0, 1.0
    deviation = float(np.sqrt(of_odd.var(ddof=1) / len(odd) + of_normal.var(ddof=1) / len(normal)))
    inside = min(max(value, 0.5 / (len(odd) * len(normal))), 1 - 0.5 / (len(odd) * len(normal)))
    logit, scale = np.log(inside / (1 - inside)), Z * deviation / (inside * (1 - inside))
    low, high = (float(1 / (1 + np.exp(-bound))) for bound in (logit - scale, logit + scale))
    return value, low, high


PLOT = Plot("roc", "What is found against false alarms, where people decided or labels say what is odd", draw)
