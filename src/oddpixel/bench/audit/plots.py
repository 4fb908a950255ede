"""How likelihood ratios are judged in forensic science: Tippett plots and empirical cross-entropy.

A Tippett plot shows, for cases of either kind, the share whose ratio is at least as large; where the lines of both kinds cross a
ratio of one, evidence misleads. Empirical cross-entropy (Ramos and Gonzalez-Rodriguez 2013) is the information, in bits, that
is still missing after the evidence, for every prior: below the line of no evidence the ratios help, and how far they lie above
those of the best monotone map is what better calibration could gain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from oddpixel.figure import FAINT, ODD, USUAL, new_figure, tidy

from .tables import Weighed, weighed

PRIORS = np.linspace(-2.5, 2.5, 101)  # log10 odds


def write_plots(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Both plots of every stratum that has likelihood ratios, as one PNG."""
    strata = {
        stratum: here
        for stratum in sorted({row["stratum"] for row in rows})
        if (here := weighed(rows, stratum)) is not None
    }
    if not strata:
        return
    figure = new_figure(3.2 * len(strata), 5.6)
    for column, (stratum, here) in enumerate(strata.items(), start=1):
        above = figure.add_subplot(2, len(strata), column)
        _tippett(above, here)
        above.set_title(stratum, fontsize=10)
        below = figure.add_subplot(2, len(strata), len(strata) + column)
        _cross_entropy(below, here)
        if column == 1:
            above.legend(frameon=False, fontsize=8)
            below.legend(frameon=False, fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def _tippett(axes: Any, here: Weighed) -> None:
    for name, is_kind, colour in (("manipulated", True, ODD), ("authentic", False, USUAL)):
        values = np.sort(np.log10(here.ratios[here.is_manipulated == is_kind]))
        share = 1 - np.arange(len(values)) / len(values)
        axes.step(np.append(values, values[-1]), np.append(share, 0), where="post", color=colour, label=name)
    axes.axvline(0, color=FAINT, linewidth=0.8)
    axes.set_ylim(0, 1)
    tidy(axes, "log10 likelihood ratio at least", "share of cases")


def _cross_entropy(axes: Any, here: Weighed) -> None:
    lines = (
        ("no evidence", np.ones_like(here.ratios), FAINT),
        ("as stated", here.ratios, ODD),
        ("best monotone map", here.best, USUAL),
    )
    for name, ratios, colour in lines:
        axes.plot(PRIORS, cross_entropy(ratios, here.is_manipulated), color=colour, label=name)
    axes.set_ylim(0, 1.4)  # room for the names of the lines
    tidy(axes, "log10 prior odds", "bits still missing")


def cross_entropy(ratios: np.ndarray, is_manipulated: np.ndarray) -> np.ndarray:
    """The empirical cross-entropy at every prior, in bits."""
    odds = 10.0 ** PRIORS[:, None]
    prior = odds[:, 0] / (1 + odds[:, 0])
    first = np.log2(1 + 1 / (odds * ratios[is_manipulated])).mean(1)
    second = np.log2(1 + odds * ratios[~is_manipulated]).mean(1)
    result: np.ndarray = prior * first + (1 - prior) * second
    return result
