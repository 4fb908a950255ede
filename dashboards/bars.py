"""Bars of a histogram on a linear or logarithmic axis, each split by what its items are coloured by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MOST_PARTS = 6  # colours that can be told apart; rarer values are one part together
OTHERS = "others"


@dataclass(frozen=True)
class Bars:
    """A histogram; the last bar includes its end.

    Arguments:
        edges: one more than there are bars.
        parts: what the items are coloured by, most frequent first.
        counts: by bar, then by part.
    """

    edges: tuple[float, ...]
    parts: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @property
    def as_rows(self) -> list[list[object]]:
        """From, to, count, and counts by part: as the component takes them."""
        ends = zip(self.edges, self.edges[1:], self.counts, strict=False)
        return [[low, high, sum(counts), list(counts)] for low, high, counts in ends]


def bars_of(values: Sequence[float], colours: Sequence[str], num_bars: int, *, is_log: bool = False) -> Bars:
    """The bars over the range of the values; empty without any.

    Arguments:
        values: above 0 where the axis is logarithmic.
        colours: what each item is coloured by.
    """
    if not len(values):
        return Bars((), (), ())
    numbers = np.asarray(values, float)
    low, high = float(numbers.min()), float(numbers.max())
    edges = np.geomspace(low, high, num_bars + 1) if is_log and high > low else np.linspace(low, high, num_bars + 1)
    edges[0], edges[-1] = low, high  # exactly, so that no item falls beside the outermost bars
    frequent = [name for name, _ in Counter(colours).most_common()]
    shown = frequent if len(frequent) <= MOST_PARTS else frequent[: MOST_PARTS - 1]
    parts = (*shown, *([OTHERS] if len(shown) < len(frequent) else []))
    place = {name: index for index, name in enumerate(shown)}
    part = np.array([place.get(colour, len(shown)) for colour in colours])
    bar = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, num_bars - 1)
    counts = np.zeros((num_bars, len(parts)), int)
    np.add.at(counts, (bar, part), 1)
    return Bars(tuple(edges.tolist()), parts, tuple(tuple(row) for row in counts.tolist()))
