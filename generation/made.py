"""What `oddpixel generate` gives back: the pictures it wrote, with how each was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from oddpixel.counting import counted
from oddpixel.results import Result, Shown, picture_file, small

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SIDE = 512  # pixels of a picture in a figure


@dataclass(frozen=True, eq=False, repr=False)
class Made(Result):
    """Pictures in a folder.

    Arguments:
        items: one record a picture, as in `generate.json`.
    """

    folder: Path
    items: list[dict[str, Any]] = field(default_factory=list)

    @property
    def paths(self) -> list[Path]:
        """The pictures' files."""
        return [self.folder / item["item"] for item in self.items]

    def records(self) -> list[dict[str, Any]]:
        """One mapping a picture: seed, size, cascade, request."""
        return self.items

    def headline(self) -> str:
        """How many, and what they are."""
        return f"{counted(len(self.items), 'synthetic picture')} in {self.folder}, marked as such."

    def shown(self, most: int) -> Sequence[Shown]:
        """Each picture, small, with its seed."""
        rows = zip(self.items, self.paths, strict=True)
        return [_row(item, path) for item, path in list(rows)[:most]]

    def plot(self) -> Figure:
        """The pictures side by side."""
        from oddpixel.figure import MOST_PICTURES, picture_grid

        paths = self.paths[:MOST_PICTURES]
        titles = [f"{item['item']} (synthetic)" for item in self.items[:MOST_PICTURES]]
        return picture_grid([np.asarray(small(path, MOST_SIDE)) for path in paths], titles)


def _row(item: dict[str, Any], path: Path) -> Shown:
    size = f"{item['height']} x {item['width']}"
    cells = {"item": item["item"], "seed": str(item["seed"]), "size": size, "cascade": item["cascade"]}
    return Shown(cells, picture_file(path))
