"""Folder trees with a meaning: a layout reads label, mask, group and role from where a file lies.

A layout is asked for by name (`mvtec:ROOT`), never guessed: the same tree may be meant in more than one way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from oddpixel.errors import UsageError

from .listing import LeftOut, Listing
from .reading import Reader
from .walking import walk

ELSEWHERE = "a mask, or outside of the layout"


class Layout(ABC):
    """Base class of folder layouts: lists places that begin with `PREFIX:`."""

    prefix: ClassVar[str]
    expected: ClassVar[str]

    def accepts(self, place: str) -> bool:
        """Whether the place begins with this layout's prefix."""
        return place.startswith(f"{self.prefix}:")

    def listing(self, place: str, reader: Reader) -> Listing:
        """List the images below the root, with label, mask, group and role.

        Raises: UsageError where no file lies as the layout expects.
        """
        root = Path(place.removeprefix(f"{self.prefix}:"))
        if not root.is_dir():
            raise UsageError(f"{place}: the folder {root} does not exist")
        listed = walk(root, reader.follow_links)
        facts = self.facts(root, [Path(entry.name).parts for entry in listed.entries])
        described = list(zip(listed.entries, facts, strict=True))
        entries = tuple(replace(entry, **fields) for entry, fields in described if fields is not None)
        if not entries:
            raise UsageError(f"{place}: none of its {len(described)} images matches the layout {self.expected}")
        elsewhere = tuple(LeftOut(entry.name, ELSEWHERE) for entry, fields in described if fields is None)
        return Listing(entries, (*listed.left_out, *elsewhere), listed.notes)

    @abstractmethod
    def facts(self, root: Path, names: Sequence[tuple[str, ...]]) -> list[dict[str, Any] | None]:
        """Label, mask, group and role of each file, by the parts of its name; None for what is not an image."""
