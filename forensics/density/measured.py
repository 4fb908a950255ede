"""What `oddpixel density` gives back: the likelihood of each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oddpixel.counting import counted
from oddpixel.datasets.listing import Listing
from oddpixel.results import Result, Shown, picture_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BARS = 40


@dataclass(frozen=True, eq=False, repr=False)
class Measured(Result):
    """Likelihoods under one model.

    Arguments:
        items: one record an image, as `oddpixel density --json` prints it.
        maps: the folder of the maps, None without.
    """

    model: str
    items: list[dict[str, Any]] = field(default_factory=list)
    listing: Listing = field(default_factory=Listing)
    maps: Path | None = None

    def records(self) -> list[dict[str, Any]]:
        """One mapping an image; `error` is None where it was measured."""
        return self.items

    def headline(self) -> str:
        """How many were measured, and their mean."""
        values = [item["bits_per_dim"] for item in self.items if not item["error"]]
        mean = f", on average {sum(values) / len(values):.3f} bits per dimension" if values else ""
        return f"{counted(len(values), 'image')} measured with {self.model}{mean}."

    def shown(self, most: int) -> Sequence[Shown]:
        """Bits per dimension beside the map, where there is one."""
        return [self._row(item) for item in self.items[:most]]

    def plot(self) -> Figure:
        """Bits per dimension of each image, largest first."""
        from oddpixel.figure import USUAL, new_figure, plain_title, tidy

        measured = sorted(
            (item for item in self.items if not item["error"]), key=lambda item: item["bits_per_dim"], reverse=True
        )[:MOST_BARS]
        figure = new_figure(7, 1 + 0.3 * len(measured))
        axes = figure.add_subplot()
        axes.barh(range(len(measured)), [item["bits_per_dim"] for item in measured], color=USUAL)
        axes.set_yticks(range(len(measured)), [plain_title(item["item"]) for item in measured])
        axes.invert_yaxis()
        for place, item in enumerate(measured):
            axes.text(item["bits_per_dim"], place, f" {item['bits_per_dim']:.3f}", va="center", fontsize=8)
        tidy(axes, f"bits per dimension under {self.model}", "")
        return figure

    def _row(self, item: dict[str, Any]) -> Shown:
        if item["error"]:
            return Shown({"item": item["item"], "bits/dim": "-", "notes": item["error"]["message"]})
        path = None if self.maps is None or not item.get("map") else self.maps / item["map"]
        picture = None if path is None else picture_file(path)
        cells = {"item": item["item"], "bits/dim": f"{item['bits_per_dim']:.3f}", "notes": "; ".join(item["notes"])}
        return Shown(cells, picture)
