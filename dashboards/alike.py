"""What looks alike in a run: nearest neighbours of an item, groups of near duplicates, and a map of all.

Near duplicates by thumbnails of 16 x 16 grey values, as `similar` compares them: no claim of meaning, only of looking alike.
Neighbours and the map by the same, or by what the bundled encoder sees in the thumbnails, where a job has looked
(`looks_job`). The map shows the first two principal components (Pearson 1901).
"""

from __future__ import annotations

import threading
import zipfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from oddpixel.errors import OddPixelError
from oddpixel.forensics.runs.table import Filter, RunTable

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
        seen: by the encoder, likewise; None where no job has looked yet.
    """

    items: tuple[str, ...]
    thumbnails: tuple[str, ...]
    vectors: Float[np.ndarray, "n d"]
    seen: Float[np.ndarray, "n e"] | None = None

    def without(self, left_out: Collection[str]) -> Looks:
        """The looks of all but some items."""
        kept = [index for index, item in enumerate(self.items) if item not in left_out]
        if len(kept) == len(self.items):
            return self
        items, thumbnails = (tuple(each[index] for index in kept) for each in (self.items, self.thumbnails))
        return Looks(items, thumbnails, self.vectors[kept], None if self.seen is None else self.seen[kept])

    @property
    def compared(self) -> Float[np.ndarray, "n d"]:
        """What neighbours and the map are taken from."""
        return self.vectors if self.seen is None else self.seen

    def nearest(self, item: str, count: int) -> list[tuple[int, float]]:
        """The items that look most like one, with their correlations; none where it has no thumbnail."""
        if item not in self.items:
            return []
        own = self.items.index(item)
        correlation = self.compared @ self.compared[own]
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
        placed: np.ndarray = PCA(2, random_state=0).fit_transform(self.compared)
        return placed


def looks_of(run: OpenRun, seen: Path | None = None) -> Looks:
    """Read once for as many rows as the run has; an item whose thumbnail cannot be read is left out.

    Arguments:
        seen: what a `looks_job` has written, or will.
    """
    rows = run.table.count()
    with _lock:
        known = _looks.get(run.key)
        if known is None or known[0] != rows:
            _looks.pop(run.key, None)
            known = _looks[run.key] = (rows, _read(run))
            for key in list(_looks)[:-KEPT]:
                del _looks[key]
        found = known[1]
    vectors = None if seen is None else _seen(seen, found.items)
    return found if vectors is None else replace(found, seen=vectors)


def thumbnails_of(table: RunTable) -> list[tuple[str, str]]:
    """The items that are compared, with their thumbnails, oddest first."""
    rows = table.page([Filter("thumbnail", "is not null")], order_by="raw", descending=True, limit=MOST)
    return [(row.item, str(row.thumbnail)) for row in rows]


def _seen(path: Path, items: Sequence[str]) -> Float[np.ndarray, "n e"] | None:
    """The encoder's vectors in the order of the items; None where there are none, or those of other items."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            places = {str(item): place for place, item in enumerate(kept["items"])}
            if not all(item in places for item in items):
                return None
            vectors: np.ndarray = kept["vectors"][[places[item] for item in items]].astype(np.float32)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return vectors


def _read(run: OpenRun) -> Looks:
    items, thumbnails, vectors = [], [], []
    for item, thumbnail in thumbnails_of(run.table):
        try:
            vector = reduced_thumbnail(run, thumbnail)
        except (OddPixelError, OSError, ValueError):
            continue
        items.append(item)
        thumbnails.append(thumbnail)
        vectors.append(vector)
    return Looks(tuple(items), tuple(thumbnails), np.array(vectors, np.float32).reshape(len(items), -1))
