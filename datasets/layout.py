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

from .entry import Entry
from .reading import Reader


class Layout(ABC):
    """A lister for places that begin with its prefix."""

    prefix: ClassVar[str]
    expected: ClassVar[str]

    def accepts(self, place: str) -> bool:
        return place.startswith(f"{self.prefix}:")

    def entries(self, place: str, reader: Reader) -> list[Entry]:
        """Raises: UsageError where nothing below the root is laid out so."""
        from .sources.folder import Folder

        root = Path(place.removeprefix(f"{self.prefix}:"))
        if not root.is_dir():
            raise UsageError(f"{place}: no folder {root}")
        listed = Folder().entries(str(root), reader)
        facts = self.facts(root, [Path(entry.name).parts for entry in listed])
        found = [replace(entry, **known) for entry, known in zip(listed, facts, strict=True) if known is not None]
        if not found:
            raise UsageError(f"{place}: none of its {len(listed)} images lies as expected: {self.expected}")
        return found

    @abstractmethod
    def facts(self, root: Path, names: Sequence[tuple[str, ...]]) -> list[dict[str, Any] | None]:
        """For each file, by the parts of its name: what is known (label, mask, group, role); None for what is no image."""
