"""What is plotted: a run's rows and its decision, read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from oddpixel.errors import NotPlotted

from ..rows import Row
from ..run import Run
from ..table import RunTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Plotted:
    """The rows of a run that were read, oddest first; those without a score come last."""

    run: Run
    rows: list[Row]
    decision: Mapping[str, Any]

    @classmethod
    def of(cls, run: Run) -> Plotted:
        """Read a run's rows. Raises: RunError."""
        rows = [row for row in RunTable(run).rows() if row.error is None]
        rows.sort(key=lambda row: (row.raw is None, -(row.raw or 0.0)))
        return cls(run, rows, run.record.get("decision") or {})

    @property
    def scored(self) -> list[Row]:
        """Those with a score. Raises: NotPlotted without any."""
        rows = [row for row in self.rows if row.raw is not None]
        if not rows:
            raise NotPlotted("no image of this run has a score")
        return rows


@dataclass(frozen=True)
class Plot:
    """A way to plot a run.

    Arguments:
        meaning: what it shows, in a line.
        draw: raises NotPlotted where the run has not what it needs.
    """

    name: str
    meaning: str
    draw: Callable[[Plotted], Figure]
