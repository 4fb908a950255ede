"""What looks alike in a run: nearest neighbours of an item, groups of near duplicates, and a map of all.

By thumbnails of 16 x 16 grey values, as `similar` compares them: no claim of meaning, only of looking alike. The map shows their
first two principal components (Pearson 1901).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from oddpixel.errors import OddPixelError
from oddpixel.forensics.runs.table import Filter

from .library import OpenRun
from .similar import reduced_thumbnail

MOST = 20_000  # items, the oddest: all pairs of them are compared
BLOCK = 1024  # rows of the pairs at a time
KEPT = 4  # runs, of 20 MB at most
NEAR = 0.985  # correlation from which two count as near duplicates

_looks: dict[str, tuple[int, Looks]] = {}
_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class Looks:
    """The looks of a run's items.

    Arguments:
        items, thumbnails: oddest first.
        vectors: of mean 0 and length 1; 0 of a picture of one grey, which is like nothing.
    """

    items: tuple[str, ...]
    thumbnails: tuple[str, ...]
    vectors: Float[np.ndarray, "n d"]

    def nearest(self, item: str, count: int) -> list[tuple[int, float]]:
        """The items that look most like one, with their correlations; none where it has no thumbnail."""
        if item not in self.items:
            return []
        own = self.items.index(item)
        correlation = self.vectors @ self.vectors[own]
        order = [int(index) for index in np.argsort(-correlation, kind="stable") if index != own]
        return [(index, float(correlation[index])) for index in order[:count]]

    def near_duplicates(self, least: float = NEAR) -> list[list[int]]:
        """Groups of items each of which has another of its group as near as `least`, the largest group first."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        count = len(self.items)
        pairs = []
        for start in range(0, count, BLOCK):
            near = np.triu(self.vectors[start : start + BLOCK] @ self.vectors.T, start + 1) >= least
            pairs.append(np.argwhere(near) + np.array([start, 0]))
        edges = np.concatenate(pairs) if pairs else np.empty((0, 2), int)
        graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
        _, label = connected_components(graph, directed=False)
        groups = [np.flatnonzero(label == each).tolist() for each in np.unique(label[edges[:, 0]])]
        return sorted(groups, key=len, reverse=True)

    def map(self) -> Float[np.ndarray, "n 2"]:
        """The first two principal components."""
        from sklearn.decomposition import PCA

        if len(self.items) < 3:
            return np.zeros((len(self.items), 2))
        placed: np.ndarray = PCA(2, random_state=0).fit_transform(self.vectors)
        return placed


def looks_of(run: OpenRun) -> Looks:
    """Read once for as many rows as the run has; an item whose thumbnail cannot be read is left out."""
    rows = run.table.count()
    with _lock:
        known = _looks.get(run.key)
        if known is None or known[0] != rows:
            _looks.pop(run.key, None)
            known = _looks[run.key] = (rows, _read(run))
            for key in list(_looks)[:-KEPT]:
                del _looks[key]
        return known[1]


def _read(run: OpenRun) -> Looks:
    rows = run.table.page([Filter("thumbnail", "is not null")], order_by="raw", descending=True, limit=MOST)
    items, thumbnails, vectors = [], [], []
    for row in rows:
        try:
            vector = reduced_thumbnail(run, str(row.thumbnail))
        except (OddPixelError, OSError, ValueError):
            continue
        items.append(row.item)
        thumbnails.append(str(row.thumbnail))
        vectors.append(vector)
    return Looks(tuple(items), tuple(thumbnails), np.array(vectors, np.float32).reshape(len(items), -1))
