"""How far two readers, or two detectors, agree on the same items: Cohen's kappa with its asymptotic interval.

    p_o = sum_i p_ii        p_e = sum_i p_i. p_.i        kappa = (p_o - p_e) / (1 - p_e)

Cohen 1960, equation 1; the standard error is that of Fleiss, Cohen and Everitt 1969, equation 13 (unweighted). That
error is 0 where they agree on everything, however few the items: then the exact interval of p_o is taken, at the p_e
observed. Kappa is 0 where they agree as often as chance has it, and falls where almost all items are of one kind,
however good the readers are: p_o is given beside it, with an exact interval.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from oddpixel.proportion import exact_interval

CONFIDENCE = 0.95
Z = 1.959964  # of the normal distribution, two-sided


@dataclass(frozen=True, eq=False)
class Agreement:
    """Of two readers on the items that both have read.

    Arguments:
        labels: of the rows (first reader) and columns (second) of `table`.
        observed: share on which they agree, with low and high.
        kappa: with low and high; None where one of them gave all items one label, so that nothing can be told from chance.
    """

    labels: tuple[Hashable, ...]
    table: Int[np.ndarray, "k k"]
    observed: tuple[float, float, float]
    kappa: tuple[float, float, float] | None

    @property
    def num_items(self) -> int:
        """How many items both have read."""
        return int(self.table.sum())

    @property
    def text(self) -> str:
        """In one sentence."""
        share, low, high = self.observed
        same = int(np.trace(self.table))
        said = f"the same on {same} of {self.num_items} items ({share:.0%} [{low:.0%}, {high:.0%}])"
        if self.kappa is None:
            return f"{said}; one of them gave all items one label, so kappa says nothing"
        value, low, high = self.kappa
        return f"{said}; Cohen's kappa {value:.2f} [{low:.2f}, {high:.2f}]"


def agreement(first: Sequence[Hashable], second: Sequence[Hashable], labels: Sequence[Hashable]) -> Agreement | None:
    """The agreement of two readers' labels, item by item; None without items."""
    if not first:
        return None
    place = {label: index for index, label in enumerate(labels)}
    table = np.zeros((len(labels), len(labels)), int)
    for one, other in zip(first, second, strict=True):
        table[place[one], place[other]] += 1
    return Agreement(tuple(labels), table, share_with_interval(int(np.trace(table)), len(first)), _kappa(table))


def share_with_interval(hits: int, count: int) -> tuple[float, float, float]:
    """A share with its exact 95 % interval (Clopper and Pearson 1934); `count` is at least 1."""
    return hits / count, *exact_interval(hits, count, CONFIDENCE)


def _kappa(table: Int[np.ndarray, "k k"]) -> tuple[float, float, float] | None:
    count = table.sum()
    p = table / count
    rows, columns, agreed = p.sum(1), p.sum(0), np.diag(p)
    p_o, p_e = agreed.sum(), (rows * columns).sum()
    if min(np.count_nonzero(rows), np.count_nonzero(columns)) < 2:
        return None
    if p_o == 1:
        _, low, _ = share_with_interval(int(count), int(count))
        return 1.0, float((low - p_e) / (1 - p_e)), 1.0
    kappa = (p_o - p_e) / (1 - p_e)
    apart = p * (columns[:, None] + rows[None, :]) ** 2
    variance = (
        (agreed * (1 - (rows + columns) * (1 - kappa)) ** 2).sum()
        + (1 - kappa) ** 2 * (apart.sum() - np.diag(apart).sum())
        - (kappa - p_e * (1 - kappa)) ** 2
    ) / (count * (1 - p_e) ** 2)
    half = Z * float(np.sqrt(max(variance, 0.0)))
    return float(kappa), max(float(kappa) - half, -1.0), min(float(kappa) + half, 1.0)
