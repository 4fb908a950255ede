"""One folder a class, as torchvision's `ImageFolder` has it, under a folder a role or not: [ROLE/]CLASS/.../NAME."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..layout import Layout

ROLES = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}


class ImageFolder(Layout):
    """The folder layout of torchvision's `ImageFolder`."""

    stands_alone = False

    prefix, expected = "imagefolder", "[train|val|test/]CLASS/.../NAME"

    def facts(self, root: Path, names: Sequence[tuple[str, ...]]) -> list[dict[str, Any] | None]:
        """Label of each file by its folder, and its role where every top folder is one."""
        # Only where every top folder is a role is it one: a class may well be called `test`.
        split = all(name[0] in ROLES and len(name) > 2 for name in names)
        return [_facts(name, split) for name in names]


LISTER = ImageFolder


def _facts(name: tuple[str, ...], split: bool) -> dict[str, Any] | None:
    if split:
        return {"role": ROLES[name[0]], "label": name[1]}
    return {"label": name[0]} if len(name) > 1 else None
