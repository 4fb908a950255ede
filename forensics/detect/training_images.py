"""Which images of a source a detector may learn from: normal ones, and where a source is split, those for training.

Roles and labels are obeyed as the source gives them (`mvtec:`, `imagefolder:`, manifests, corpora); what was taken and what was
left out is counted by role and label, and kept with the detector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from oddpixel.datasets.labels import NORMAL_LABELS, folded, is_normal
from oddpixel.datasets.source import FileSource
from oddpixel.errors import UsageError
from oddpixel.image import Image, Unreadable

UNSPLIT = "no role or label"
TRAINING = "train"


class TrainingImages:
    """Chooses, and counts what it chose.

    Arguments:
        roles: all that the source gives; none where it is not split.
        normal_labels: what the user calls normal; None for `NORMAL_LABELS`.
    """

    def __init__(self, roles: Iterable[str | None] = (), normal_labels: Sequence[str] | None = None) -> None:
        self.roles = {role for role in roles if role is not None}
        self.normal_labels = NORMAL_LABELS if normal_labels is None else {folded(label) for label in normal_labels}
        self.taken: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.labels: set[str] = set()

    @classmethod
    def of(cls, x: Any, normal_labels: Sequence[str] | None = None, *, all_roles: bool = False) -> TrainingImages:
        """For a source or anything that holds images."""
        if all_roles or not isinstance(x, FileSource):
            return cls((), normal_labels)
        roles = {entry.role for entry in x.entries}
        is_labelled = any(entry.label is not None for entry in x.entries)
        # One role and no labels: the place named that role (`corpus:NAME/validation`), or means nothing by it.
        return cls(() if len(roles) == 1 and not is_labelled else roles, normal_labels)

    def entries_of(self, source: FileSource) -> FileSource:
        """The source without what may not be learned from: that is not even decoded."""
        return replace(
            source, entries=tuple(each for each in source.entries if self.takes(each.role, each.label, each.mask))
        )

    def checked(self, images: Iterable[Image | Unreadable]) -> Iterator[Image | Unreadable]:
        """The same of images that are there already, or come one by one. Raises: UsageError (`check`), at their end."""
        for image in images:
            meta = image.meta if isinstance(image, Image) else {}
            if self.takes(meta.get("role"), meta.get("label"), meta.get("mask")):
                yield image
        self.check()

    def takes(self, role: str | None, label: str | None, mask: str | None) -> bool:
        """Whether one with these facts is taken; counts it."""
        is_training = not self.roles or role in (None, TRAINING)
        is_good = is_normal(label, mask, self.normal_labels)
        if label is not None:
            self.labels.add(str(label))
        facts = [fact for fact in (role, label) if fact is not None] or [UNSPLIT]
        if label is None and mask is not None:
            facts.append("with a mask")
        (self.taken if is_training and is_good else self.left_out)["/".join(map(str, facts))] += 1
        return is_training and is_good

    def check(self) -> None:
        """Refuse a source of which no image may be learned from.

        Raises: UsageError where roles or labels left nothing.
        """
        if self.taken or not self.left_out:
            return
        counts = ", ".join(f"{count} of {facts}" for facts, count in sorted(self.left_out.items()))
        remedy = "name the labels that mean normal with --normal-label" if self.labels else "give training images"
        raise UsageError(f"none of these images is a normal one for training ({counts}); {remedy}")

    def as_json(self) -> dict[str, dict[str, int]]:
        """Counts of images taken and left out, by role and label."""
        return {"taken": dict(sorted(self.taken.items())), "left_out": dict(sorted(self.left_out.items()))}


def in_words(selection: dict[str, dict[str, int]]) -> str:
    """What was taken and what was left out, as one line; nothing where a source says nothing of its images."""
    if not selection["left_out"] and set(selection["taken"]) <= {UNSPLIT}:
        return ""
    taken, left_out = (
        ", ".join(f"{count} of {facts}" for facts, count in selection[name].items()) for name in ("taken", "left_out")
    )
    return f"chosen by role and label: {taken}; left out: {left_out or 'none'}"
