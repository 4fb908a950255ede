"""Regions that people draw on images: what they mark, beside what they decide.

A region is a closed outline, points [x, y] in pixels of the original: x right, y down, whole numbers at the corners of pixels. It
is its reader's: nobody else changes it. Each change is a new version of it, and an entry of the log; the newest version
counts, and one without points is a region that was taken away.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sql

from oddpixel.errors import UsageError

KINDS = ("rectangle", "polygon")
FEWEST_POINTS, MOST_POINTS = 3, 2000
FARTHEST = 10_000_000  # pixels
LONGEST_LABEL = 80  # characters
Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A version of a region as a browser sends it.

    Arguments:
        region: the key by which it is known again.
        points: none takes it away.
    """

    region: str
    kind: str
    points: Points
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Region:
    """One version of a region, as the store has it.

    Arguments:
        sha256: of the file that it was drawn on.
        points: as JSON.
        at: UTC, ISO 8601.
    """

    seq: int
    run: str
    item: str
    sha256: str | None
    region: str
    kind: str
    points: str
    label: str
    author: str
    at: str

    @property
    def outline(self) -> list[list[float]]:
        """The points, `[n][x, y]`; none of a region that was taken away."""
        outline: list[list[float]] = json.loads(self.points)
        return outline

    def shown(self) -> dict[str, Any]:
        """What a page needs of it."""
        return {
            "key": self.region,
            "kind": self.kind,
            "points": self.outline,
            "label": self.label,
            "author": self.author,
        }

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """The pixels `[h, w]` whose middle lies within, by the even-odd rule."""
        mask = np.zeros(size, bool)
        x, y = np.array(self.outline).T
        next_x, next_y = np.roll(x, -1), np.roll(y, -1)
        for row in range(int(y.min()), min(math.ceil(y.max()), size[0])):
            middle = row + 0.5
            crosses = (y > middle) != (next_y > middle)
            along = (middle - y[crosses]) / (next_y[crosses] - y[crosses])
            columns = np.ceil(np.sort(x[crosses] + along * (next_x[crosses] - x[crosses])) - 0.5).astype(int)
            for first, end in zip(columns[::2], columns[1::2], strict=True):
                mask[row, max(first, 0) : max(end, 0)] = True
        return mask


def region_table(tables: sql.MetaData) -> sql.Table:
    """The table of all versions."""
    return sql.Table(
        "regions",
        tables,
        sql.Column("seq", sql.BigInteger().with_variant(sql.Integer, "sqlite"), primary_key=True, autoincrement=False),
        sql.Column("run", sql.Text, nullable=False),
        sql.Column("item", sql.Text, nullable=False),
        sql.Column("sha256", sql.Text),
        *(sql.Column(name, sql.Text, nullable=False) for name in ("region", "kind", "points", "label", "author", "at")),
        sql.Index("regions_by_item", "run", "item", "seq"),
        sql.Index("regions_by_key", "run", "region", "seq"),
    )


def standing_regions(versions: Iterable[Region]) -> list[Region]:
    """The newest version of each region that was not taken away, in the order in which they were first drawn.

    Arguments:
        versions: oldest first.
    """
    newest: dict[str, Region] = {}
    for version in versions:
        newest[version.region] = version
    return [region for region in newest.values() if region.outline]


def drawn(given: object) -> Drawn:
    """A version out of what somebody sent. Raises: UsageError."""
    sent = given if isinstance(given, dict) else {}
    key, kind, points, label = (sent.get(name) for name in ("key", "kind", "points", "label"))
    if not isinstance(key, str) or not isinstance(label, str) or kind not in KINDS:
        raise UsageError(f"a region needs a key, a label and one of the kinds {', '.join(KINDS)}")
    if len(label) > LONGEST_LABEL or not (label == "" or label.isprintable()):
        raise UsageError(f"the label of a region has at most {LONGEST_LABEL} characters, in one line")
    return Drawn(region=key, kind=str(kind), points=_points(points), label=label.strip())


def _points(given: object) -> Points:
    if not isinstance(given, list) or (given and not FEWEST_POINTS <= len(given) <= MOST_POINTS):
        raise UsageError(f"a region has {FEWEST_POINTS} to {MOST_POINTS} points")
    found = []
    for point in given:
        if not isinstance(point, list) or len(point) != 2 or not all(map(_is_place, point)):
            raise UsageError("every point of a region is [x, y] in pixels of the image")
        found.append((round(float(point[0]), 2), round(float(point[1]), 2)))
    return tuple(found)


def _is_place(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= FARTHEST  # type: ignore[arg-type,operator]
