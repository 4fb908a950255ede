"""The pictures that a cascade's recipe names (`[data]`): packaged corpora by their roles, or the user's own.

Of the user's own, one group in eight is held out. A corpus of volumes gives the slices of its volumes. Where no corpus of a
label has a validation role, the last slices of its volume are held out, apart from a gap, since neighbours resemble each
other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from oddpixel.datasets.corpora import Role, cached, card, credits_of, fetch
from oddpixel.datasets.source import open_source, readable
from oddpixel.errors import UsageError
from oddpixel.image import Image, Unreadable

from .pictures import Pictures, take
from .slices import slices_of

ONE_IN = 8
HELD_SLICES, GAP = 16, 8  # the last of a volume without a sibling, and those before them that nobody sees


def pictures_of(recipe: dict[str, Any], places: Sequence[str], role: Role) -> Pictures:
    """The pictures of one role: the user's own where places are given, else those of the recipe's corpora.

    Raises: UsageError, UnreadableInput, InvalidImage.
    """
    data, labels = recipe.get("data", {}), recipe["model"].get("labels", [])
    least = data.get("least", 256)
    if places:
        title = {"title": ", ".join(Path(place).name for place in places)}
        return take(_own(places, held_out=role == "validation"), least, title)
    corpora = _corpora(data.get("corpora", {}))
    if not corpora:
        raise UsageError("this recipe trains on your own images: name where they are")
    for corpus in corpora:
        fetch(corpus.name)
    numbers = {label: 1 + index for index, label in enumerate(labels)}
    images = [corpus for corpus in corpora if card(corpus.name).kind == "images"]
    pictures = take(_packaged(images, numbers, role), least, credits_of([corpus.name for corpus in corpora]))
    return replace(
        _with_slices(pictures, [corpus for corpus in corpora if corpus not in images], numbers, role),
        shares={numbers[label]: share for label, share in data.get("shares", {}).items()},
    )


@dataclass(frozen=True)
class _Labelled:
    name: str
    label: str


def _corpora(content: Mapping[str, str | Sequence[str]]) -> list[_Labelled]:
    """The corpora of every label; a label has one or several."""
    return [
        _Labelled(name, label)
        for label, names in content.items()
        for name in ([names] if isinstance(names, str) else names)
    ]


def _packaged(
    corpora: Sequence[_Labelled], numbers: Mapping[str, int], role: Role
) -> Iterator[tuple[Image | Unreadable, int]]:
    for corpus in corpora:
        if cached(corpus.name).files(role):
            for image in open_source(f"corpus:{corpus.name}/{role}"):
                yield image, numbers[corpus.label]


def _with_slices(pictures: Pictures, corpora: Sequence[_Labelled], numbers: Mapping[str, int], role: Role) -> Pictures:
    stored, labels = list(pictures.stored), list(pictures.labels)
    for corpus in corpora:
        has_sibling = any(
            cached(sibling.name).files("validation") for sibling in corpora if sibling.label == corpus.label
        )
        for slices in _volumes(corpus, role, has_sibling):
            stored += slices
            labels += [numbers[corpus.label]] * len(slices)
    whole = frozenset(numbers[corpus.label] for corpus in corpora)
    return replace(pictures, stored=tuple(stored), labels=tuple(labels), whole=whole)


def _volumes(corpus: _Labelled, role: Role, has_sibling: bool) -> Iterator[list[torch.Tensor]]:
    wanted: Role = role if has_sibling else "train"
    for file in cached(corpus.name).files(wanted):
        slices = [torch.from_numpy(picture) for picture in slices_of(file.path, corpus.label)]
        if has_sibling:
            yield slices
        else:
            yield slices[-HELD_SLICES:] if role == "validation" else slices[: -HELD_SLICES - GAP]


def _own(places: Sequence[str], *, held_out: bool) -> Iterator[tuple[Image | Unreadable, int]]:
    """The user's images of one side of the split, by a hash of the group's name, so always the same."""
    for image in readable(open_source(*places)):
        digest = hashlib.sha256(image.group.encode()).digest()
        if (digest[0] % ONE_IN == 0) == held_out:
            yield image, 0
