"""Which recipe suits the images that are there: of CT in Hounsfield units, in grey, or in colours.

A few images from all over the places are looked at; the rarer kind among them would be refused in training, so it is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from oddpixel.datasets.source import open_source, readable
from oddpixel.errors import UsageError

from .crops import CELL

LOOKED_AT = 12  # files
FEWEST = 10  # a tenth is held out for validation
RECIPES = {"CT": "ct", "grey": "photo-grey", "in colours": "photo-rgb"}


@dataclass(frozen=True)
class Chosen:
    """A recipe for a folder.

    Arguments:
        because: what was seen, as a sentence.
        doubts: what may go wrong with it, a sentence each.
    """

    recipe: str
    because: str
    doubts: tuple[str, ...] = ()


def recipe_for(places: Sequence[str]) -> Chosen:
    """The recipe for the images at these places. Raises: UsageError where none can be read, or all are too small."""
    source = open_source(*places)
    source.check_any()
    looked_at = [
        next(iter(readable(source[k : k + 1])), None) for k in range(0, len(source), -(-len(source) // LOOKED_AT))
    ]
    images = [image for image in looked_at if image is not None]
    if not images:
        raise UsageError(
            f"none of {len(looked_at)} files that were looked at can be read: oddpixel inspect {places[0]}"
        )
    kinds = Counter(
        "CT" if image.unit == "HU" else "grey" if image.pixels.shape[0] == 1 else "in colours" for image in images
    )
    kind, count = kinds.most_common(1)[0]
    small = sum(min(image.pixels.shape[1:]) < CELL for image in images)
    if small == len(images):
        raise UsageError(
            f"these images are smaller than {CELL} pixels, too small for a pyramid; a flat model learns them, by a recipe of "
            "your own after digits or cifar10 (--recipe FILE.toml)"
        )
    doubts = []
    if count < len(images):
        doubts.append(f"{len(images) - count} of {len(images)} images are not {kind}: train on one kind at a time")
    if small:
        doubts.append(f"{small} of {len(images)} images are smaller than {CELL} pixels and are of no use")
    if len(source) < FEWEST:
        doubts.append(
            f"{len(source)} files are few: a tenth is held out for validation, and a network learns the rest by heart"
        )
    return Chosen(RECIPES[kind], f"{count} of {len(images)} images that were looked at are {kind}", tuple(doubts))
