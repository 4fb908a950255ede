"""The images that a pyramid's recipe names (`[data]`): for training at full size, for validation reduced and held out.

corpora = [...]       packaged corpora, by their roles; or the user's own places, by the hash of the group
reduce = 2            validation images only: training crops vary in scale
hold_out_last = 40    where a corpus has no validation role: its last images, less a tenth of them as a gap
unit = "HU"           what CT is in; NIfTI does not say so, a recipe may
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from oddpixel.datasets.corpora import credits_of, fetch
from oddpixel.datasets.source import open_source, readable
from oddpixel.errors import InvalidImage, UsageError
from oddpixel.image import Image

from .crops import Photographs, photographs
from .examples import is_held_out


def training_images(recipe: dict[str, Any], places: Sequence[str] = ()) -> Photographs:
    """The photographs to train on, at full size. Raises: UsageError, InvalidImage."""
    return _images(recipe, places, held_out=False)


def validation_images(recipe: dict[str, Any], places: Sequence[str] = ()) -> Photographs:
    """The held-out photographs to validate on, reduced as the recipe says. Raises: UsageError, InvalidImage."""
    return _images(recipe, places, held_out=True)


def _images(recipe: dict[str, Any], places: Sequence[str], held_out: bool) -> Photographs:
    data, network = recipe.get("data", {}), recipe["model"]["network"]
    channels, unit = network.get("channels", 3), network.get("unit", "display")
    reduce = data.get("reduce", 1) if held_out else 1
    if places:
        title = {"title": ", ".join(Path(place).name for place in places)}
        seen: Counter[bool] = Counter()

        def part() -> Iterator[Image]:
            for image in _readable(places, unit):
                is_of_part = is_held_out(image.group) == held_out
                seen[is_of_part] += 1
                if is_of_part:
                    yield image

        try:
            return photographs(part(), channels, reduce, title, unit)
        except InvalidImage as error:
            if reduce > 1 and seen[True]:  # small ones are held out as they are
                return photographs(part(), channels, 1, title, unit)
            if seen[True] or not seen[False]:
                raise
            what = "held out for validation" if held_out else "left to train on"
            raise UsageError(
                f"of {seen[False]} images none is {what}: a tenth is held out, by the names of their groups; add images"
            ) from error
    if not (names := data.get("corpora")):
        raise UsageError("this recipe trains on your own images: name where they are")
    for name in names:
        fetch(name)
    return photographs(
        _of_corpora(names, data.get("hold_out_last"), held_out, unit), channels, reduce, credits_of(names), unit
    )


def _of_corpora(names: Sequence[str], last: int | None, held_out: bool, unit: str) -> Iterator[Image]:
    role = "validation" if held_out and last is None else "train"
    images = _readable([f"corpus:{name}/{role}" for name in names], unit)
    if last is None:
        return images
    everything = list(images)
    return iter(everything[-last:] if held_out else everything[: -last - last // 10])


def _readable(places: Sequence[str], unit: str) -> Iterator[Image]:
    for image in readable(open_source(*places)):
        yield replace(image, unit="HU") if unit == "HU" and image.unit == "modality" else image
