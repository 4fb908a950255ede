"""What is plotted: a run's rows, its decision, and what is known to be normal or odd."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from oddpixel.counting import counted
from oddpixel.datasets.labels import is_normal
from oddpixel.datasets.source import open_source
from oddpixel.errors import NotPlotted, UsageError
from oddpixel.image import file_and_frame

from ..rows import Row
from ..run import Run
from ..table import RunTable
from ..verdicts import Verdicts

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Plotted:
    """The rows of a run that were read, oddest first; those without a score come last.

    Arguments:
        is_odd: of items, as people decided or a source's labels say; empty where nothing is known.
    """

    run: Run
    rows: list[Row]
    decision: Mapping[str, Any]
    is_odd: Mapping[str, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, run: Run, labels: str | None = None) -> Plotted:
        """Read a run's rows.

        Arguments:
            labels: a place whose labels say what is normal, such as the run's own source; None for what people decided.

        Raises: RunError, UsageError.
        """
        rows = [row for row in RunTable(run).rows() if row.error is None]
        rows.sort(key=lambda row: (row.raw is None, -(row.raw or 0.0)))
        is_odd = _decided(run) if labels is None else _labelled(labels, rows)
        return cls(run, rows, run.record.get("decision") or {}, is_odd)

    @property
    def scored(self) -> list[Row]:
        """Those with a score. Raises: NotPlotted without any."""
        rows = [row for row in self.rows if row.raw is not None]
        if not rows:
            raise NotPlotted("no image of this run has a score")
        return rows

    @property
    def known(self) -> tuple[list[Row], list[Row]]:
        """Scored rows that are normal, and those that are odd.

        Raises: NotPlotted without both.
        """
        normal, odd = ([row for row in self.scored if self.is_odd.get(row.item) is kind] for kind in (False, True))
        if not normal or not odd:
            raise NotPlotted(
                f"{counted(len(normal), 'image')} known as normal and {len(odd)} as odd; it needs both: decide in "
                "`oddpixel dashboard`, or name a place with labels (--labels)"
            )
        return normal, odd


def _decided(run: Run) -> dict[str, bool]:
    if not run.verdicts_path.exists():
        return {}
    with Verdicts(run.verdicts_path) as verdicts:
        latest = verdicts.latest(run.record["id"])
    return {item: each.decision == "odd" for item, each in latest.items() if each.decision in ("odd", "normal")}


def _labelled(place: str, rows: Sequence[Row]) -> dict[str, bool]:
    """By the file's name at both places, or by its last part where that is unique; frames have the label of their file."""
    entries = [each for each in open_source(place).entries if each.label is not None or each.mask is not None]
    is_odd = {entry.name: not is_normal(entry.label, entry.mask) for entry in entries}
    by_last_part = _unique({name: PurePosixPath(name).name for name in is_odd})
    files = {row.item: row.item if row.item in is_odd else file_and_frame(row.item)[0] for row in rows}
    last_parts = _unique({file: PurePosixPath(file).name for file in set(files.values())})
    of_file = {file: by_last_part[last] for last, file in last_parts.items() if last in by_last_part}
    names = {item: file if file in is_odd else of_file.get(file) for item, file in files.items()}
    found = {item: is_odd[name] for item, name in names.items() if name is not None}
    if not found:
        raise UsageError(f"{place} has no label for any image of this run; name the place that the run was made from")
    return found


def _unique(last_parts: Mapping[str, str]) -> dict[str, str]:
    """Names by their last part, where only one has it."""
    counts = Counter(last_parts.values())
    return {last: name for name, last in last_parts.items() if counts[last] == 1}


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
