"""The unflagged items of a run that look most like one of its items: what normal looks like beside it.

By the correlation of thumbnails reduced to 16 x 16 grey values: no claim of meaning, only of looking alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow

from oddpixel.forensics.runs.table import Filter

from .library import OpenRun

SIDE = 16
MOST = 400  # unflagged items that are compared with


@dataclass(frozen=True)
class Alike:
    """An item that looks like another one, with the correlation of their thumbnails in -1..1."""

    item: str
    thumbnail: str
    correlation: float


def most_alike(run: OpenRun, item: str, count: int = 4) -> list[Alike]:
    """The unflagged items that look most like this one, the most normal first among equals."""
    row = run.row(item)
    if row.thumbnail is None:
        return []
    names, pictures, reduced = _reduced(run)
    if not names:
        return []
    correlation = reduced @ reduced_thumbnail(run, row.thumbnail)
    order = [index for index in np.argsort(-correlation, kind="stable") if names[index] != item]
    return [Alike(names[index], pictures[index], float(correlation[index])) for index in order[:count]]


def _reduced(run: OpenRun) -> tuple[list[str], list[str], np.ndarray]:
    """Of the most normal items; read once for as many rows as the run has."""
    if (rows := run.table.count()) not in run.thumbnails:
        run.thumbnails.clear()
        run.thumbnails[rows] = _read(run)
    cached: tuple[list[str], list[str], np.ndarray] = run.thumbnails[rows]
    return cached


def _read(run: OpenRun) -> tuple[list[str], list[str], np.ndarray]:
    normal = [Filter("flagged", "=", False), Filter("thumbnail", "is not null")]
    rows = run.table.page(normal, order_by="raw", limit=MOST)
    names, pictures = [row.item for row in rows], [str(row.thumbnail) for row in rows]
    return names, pictures, np.array([reduced_thumbnail(run, name) for name in pictures])


def reduced_thumbnail(run: OpenRun, thumbnail: str) -> np.ndarray:
    """Of mean 0 and length 1."""
    with Pillow.open(run.file(thumbnail), formats=("WEBP",)) as picture:
        grey = np.asarray(picture.convert("L").resize((SIDE, SIDE), Pillow.Resampling.BOX), np.float64).ravel()
    grey -= grey.mean()
    return grey / max(float(np.linalg.norm(grey)), 1e-9)
