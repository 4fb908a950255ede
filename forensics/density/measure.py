"""The likelihood of an image under a model, as `oddpixel density` reports it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from oddpixel.border import border, error_row
from oddpixel.image import Image, Unreadable

from .model import DensityModel


def measure_source(
    source: Iterable[Image | Unreadable],
    model: DensityModel,
    *,
    identity: bool = False,
    maps: Path | None = None,
    on_item: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """One record an image; one that the model cannot take is a record with its error.

    Arguments:
        maps: a folder for pictures of the maps; each record's `map` is its name there. None is drawn of what may show text.
    """
    items: list[dict[str, Any]] = []

    def item(image: Image | Unreadable) -> dict[str, Any]:
        is_drawn = maps is not None and not (isinstance(image, Image) and image.may_show_text)
        name = f"{str(image.sha256)[:12]}-{len(items)}.png" if is_drawn else None
        map_to = None if maps is None or name is None else maps / name
        found = model.measure(image, identity=identity, map_to=map_to)
        record = {"item": image.source, "sha256": image.sha256, "group": image.group, "error": None, **found}
        return record | {"notes": image.notes} | ({} if name is None else {"map": name})

    for record in border(source, item, error_row):
        items.append(record)
        on_item()
    return items
