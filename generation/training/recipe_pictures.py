"""The pictures that a cascade's recipe names (`[data]`): packaged corpora by their roles, or the user's own, one group in eight
held out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from oddpixel.datasets.corpora import Role, cached, credits_of, fetch
from oddpixel.datasets.source import open_source, readable
from oddpixel.errors import UsageError
from oddpixel.image import Image, Unreadable

from .pictures import Pictures, take

ONE_IN = 8


def pictures_of(recipe: dict[str, Any], places: Sequence[str], role: Role) -> Pictures:
    """Raises: UsageError, UnreadableInput, InvalidImage."""
    data, labels = recipe.get("data", {}), recipe["model"].get("labels", [])
    least = data.get("least", 256)
    if places:
        title = {"title": ", ".join(Path(place).name for place in places)}
        return take(_own(places, held_out=role == "validation"), least, title)
    corpora: dict[str, str] = data.get("corpora", {})
    if not corpora:
        raise UsageError("this recipe trains on your own images: name where they are")
    for name in corpora:
        fetch(name)
    numbers = {name: 1 + labels.index(label) for name, label in corpora.items()}
    return take(_packaged(numbers, role), least, credits_of(list(corpora)))


def _packaged(numbers: dict[str, int], role: Role) -> Iterator[tuple[Image | Unreadable, int]]:
    for name, number in numbers.items():
        if cached(name).files(role):
            for image in open_source(f"corpus:{name}/{role}"):
                yield image, number


def _own(places: Sequence[str], *, held_out: bool) -> Iterator[tuple[Image | Unreadable, int]]:
    """By the hash of the group's name, so always alike."""
    for image in readable(open_source(*places)):
        digest = hashlib.sha256(image.group.encode()).digest()
        if (digest[0] % ONE_IN == 0) == held_out:
            yield image, 0
