"""Normal images, prepared, without duplicates, in groups, and dealt to fitting and calibration.

Images that are calibrated on must be used for nothing else, and members of one group must stay on one side: otherwise the
false-alarm rate is not what is promised (tests/forensics/detect/test_guarantees.py plants both faults).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from oddpixel.border import border
from oddpixel.counting import counted
from oddpixel.datasets.in_memory import in_memory
from oddpixel.errors import CalibrationTooSmall, NoImages, OddPixelError, UsageError
from oddpixel.image import Image, Unit, Unreadable

from .levels import Levels
from .prepare import Preparation, Reduced

FEWEST_GROUPS = 2  # one to look at, and another to look at it with
SCALING = 64  # groups, at most, that scales are learned from
FEWEST_SCALING = 5  # groups, that are taken from no promise
PROMISING = 19  # groups that a false-alarm rate of 5 % needs
Answer = TypeVar("Answer")


@dataclass(frozen=True, eq=False)
class Normals:
    """Prepared normal images, without duplicates, to fit to or to calibrate on.

    Arguments:
        images: prepared.
        left_out: why others were not taken, one sentence each.
        levels: what was learned to be black and white; None where the images say it.
        depths: that the images declare.
        came_in: the unit that they came in.
    """

    images: tuple[Image, ...]
    left_out: tuple[str, ...] = ()
    levels: Levels | None = None
    depths: tuple[int, ...] | None = None
    came_in: Unit | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def groups(self) -> list[str]:
        """In order of first appearance."""
        return list(dict.fromkeys(image.group for image in self.images))

    def without(self, shown_by: Mapping[str, str]) -> Normals:
        """Without images that show what another does, named with it in `left_out`."""
        if not shown_by:
            return self
        told = [f"{source}: shows the same as {other}, of another group" for source, other in shown_by.items()]
        kept = tuple(image for image in self.images if image.source not in shown_by)
        return replace(self, images=kept, left_out=(*self.left_out, *told))

    def of(self, groups: Sequence[str]) -> Normals:
        """The images of these groups alone, without `left_out`, levels and depths."""
        wanted = set(groups)
        return Normals(tuple(image for image in self.images if image.group in wanted))

    @property
    def in_turn(self) -> tuple[Image, ...]:
        """One image of each group, then another of each: a memory with too little room for all then has some of every group."""
        turns: Counter[str] = Counter()
        placed = []
        for image in self.images:
            placed.append((turns[image.group], image))
            turns[image.group] += 1
        return tuple(image for _, image in sorted(placed, key=lambda pair: pair[0]))

    def thinned(self, count: int, seed: int) -> Normals:
        """At most so many of the images, drawn at random."""
        if len(self) <= count:
            return self
        kept = np.random.default_rng(seed).permutation(len(self))[:count]
        return Normals(tuple(self.images[index] for index in np.sort(kept)))

    def dealt(self, share: float | None, seed: int) -> tuple[Normals, Normals]:
        """The rest, and a share of the groups: by a seeded permutation of their sorted names.

        Where no share is given, three fifths or all but `SCALING`, and more where `PROMISING` would not be left otherwise.
        """
        groups = sorted(self.groups)
        shuffled = [groups[index] for index in np.random.default_rng(seed).permutation(len(groups))]
        if share is None:
            promising = PROMISING if len(groups) >= PROMISING + FEWEST_SCALING else 0
            count = max(round(0.6 * len(groups)), len(groups) - SCALING, promising)
        else:
            count = round(share * len(groups))
        count = min(max(count, 1), len(groups) - 1)
        return self.of(shuffled[count:]), self.of(shuffled[:count])


def take(
    images: Iterable[Image | Unreadable],
    prepare: Preparation,
    on_item: Callable[[], None] = lambda: None,
    *,
    learns_levels: bool = False,
) -> Normals:
    """Prepare each; leave out what cannot be read or taken, and pictures that are there already.

    Arguments:
        learns_levels: what becomes black and white follows from these images, where they do not say.

    Raises: UsageError where units are mixed, NoImages where nothing can be read, CalibrationTooSmall where nothing is left.
    """
    reduced, left_out, num_unreadable = _reduced(images, prepare, on_item)
    _of_one_unit(reduced)
    if learns_levels:
        prepare = prepare.learned_from(reduced)
    kept: list[Image] = []
    seen: dict[str, str] = {}
    for answer in border(reduced, partial(_levelled, prepare), lambda each, error: _left_out(each.image, error)):
        if isinstance(answer, str):
            left_out.append(answer)
            continue
        image, digest = answer
        if digest in seen:
            left_out.append(f"{image.source} shows the same picture as {seen[digest]}")
        else:
            seen[digest] = image.source
            kept.append(image)
    if not kept and num_unreadable and num_unreadable == len(left_out):
        raise NoImages(f"none of {counted(num_unreadable, 'file')} of normal images can be read; {left_out[0]}")
    if not kept:
        reason = f"; {left_out[0]}" if left_out else ""
        raise CalibrationTooSmall(f"there are no normal images to learn from{reason}")
    return Normals(tuple(kept), tuple(left_out), prepare.levels, prepare.depths, prepare.came_in)


def _reduced(
    images: Iterable[Image | Unreadable], prepare: Preparation, on_item: Callable[[], None]
) -> tuple[list[Reduced], list[str], int]:
    """What can be read and taken, why the rest cannot, and how many could not even be read."""
    reduced: list[Reduced] = []
    left_out: list[str] = []
    num_unreadable = 0

    def step(image: Image | Unreadable) -> Reduced | str:
        nonlocal num_unreadable
        num_unreadable += isinstance(image, Unreadable)
        return prepare.reduced(image)

    for answer in border(images, step, _left_out):
        if isinstance(answer, str):
            left_out.append(answer)
        else:
            reduced.append(answer)
        on_item()
    return reduced, left_out, num_unreadable


def _levelled(prepare: Preparation, reduced: Reduced) -> tuple[Image, str] | str:
    """The prepared image, and the hash of what it shows."""
    image = prepare.levelled(reduced)
    return image, hashlib.sha256(np.ascontiguousarray(image.pixels).data).hexdigest()


def _of_one_unit(reduced: Sequence[Reduced]) -> None:
    """Refuse normals that came in several units.

    Raises: UsageError. Images in HU are `display` by now where the model is: what they came in counts.
    """
    units = Counter(each.original_unit for each in reduced)
    if len(units) > 1:
        examples = {each.original_unit: each.image.source for each in reversed(reduced)}
        counts = ", ".join(f"{count} in {unit}, such as {examples[unit]}" for unit, count in units.items())
        raise UsageError(
            f"the normals are of several kinds ({counts}): bring them to one format, or fit a detector for each kind"
        )


def attempted(
    images: Iterable[Image], step: Callable[[Image], Answer], on_item: Callable[[], None] = lambda: None
) -> tuple[list[tuple[Image, Answer]], list[str]]:
    """`step` of each prepared image, and why others are left out: one that fails is not the end of a fit.

    Raises: CalibrationTooSmall where it fails with all of them.
    """
    left_out: list[str] = []
    return list(in_turn(images, step, left_out, on_item)), left_out


def in_turn(
    images: Iterable[Image],
    step: Callable[[Image], Answer],
    left_out: list[str],
    on_item: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Image, Answer]]:
    """`step` of each prepared image, of several at once, one after the other in their order.

    Arguments:
        left_out: takes why an image is left out.

    Raises: CalibrationTooSmall after the last where it fails with all of them.
    """
    is_none = True
    answers: Iterator[tuple[Image, Answer] | str] = border(
        images, lambda image: (image, step(image)), _left_out, side_by_side=True
    )
    for answer in answers:
        on_item()
        if isinstance(answer, str):
            left_out.append(answer)
        else:
            is_none = False
            yield answer
    if is_none:
        raise CalibrationTooSmall("no normal image is left" + (f"; {left_out[0]}" if left_out else ""))


def enough(normals: Normals) -> None:
    """Refuse to fit to fewer than `FEWEST_GROUPS` groups. Raises: CalibrationTooSmall."""
    if (found := len(normals.groups)) < FEWEST_GROUPS:
        raise CalibrationTooSmall(
            f"fitting needs at least {FEWEST_GROUPS} normal groups (patients, studies, files), got {found} with "
            f"{counted(len(normals), 'image')}{f' ({normals.left_out[0]})' if normals.left_out else ''}; add normals, or tell "
            "groups apart with --group-from"
        )


def images_of(x: Any, groups: Sequence[str] | None = None) -> Iterable[Image | Unreadable]:
    """What users hold as images: a `Source` or other images, an array `[n, h, w]` or `[n, h, w, c]`, a list of such arrays or of
    Pillow images.

    Arguments:
        x: arrays are uint8 or uint16, or floats in 0..1.
        groups: one name each; each image its own group where not given.

    Raises: UsageError.
    """
    names = iter(groups) if groups is not None else None
    try:
        items = iter(x)
    except TypeError:
        raise UsageError(f"images come as a source, a list or an array, got {type(x).__name__}") from None
    for index, item in enumerate(items):
        image = item if isinstance(item, Image | Unreadable) else in_memory(item, index)
        if names is not None:
            group = next(names, None)
            if group is None:
                raise UsageError(f"more images than the {len(groups or ())} groups given")
            image = replace(image, group=str(group))
        yield image


def _left_out(image: Image | Unreadable, error: OddPixelError) -> str:
    return f"{image.source}: {type(error).__name__}: {error}"
