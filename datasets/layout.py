"""Folder trees with a meaning: a layout reads label, mask, group and role from where a file lies.

A layout is asked for by name (`mvtec:ROOT`), never guessed: the same tree may be meant in more than one way.
"""

from __future__ import annotations

import json
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from oddpixel.errors import UnreadableInput, UsageError

from .entry import open_regular
from .listing import LeftOut, Listing
from .reading import Reader
from .walking import walk

ELSEWHERE = "a mask, or outside of the layout"
LARGEST_TABLE = 2**30  # bytes
ROLES = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}


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


class Names:
    """The files of a layout by their names, as any system wrote them: with backslashes, in another case or Unicode form."""

    def __init__(self, root: Path, names: Iterable[Sequence[str]]) -> None:
        self.root = root
        self._exact = {"/".join(name) for name in names}
        self._folded = {_folded(name): name for name in sorted(self._exact, reverse=True)}

    def find(self, name: str) -> str | None:
        """The file that a name means: the very one, else one that differs in form alone; None for none."""
        return name if name in self._exact else self._folded.get(_folded(name))

    def mask(self, *parts: str) -> str | None:
        """The path of a mask by its name; None where there is none, or a link in its place."""
        found = self.find("/".join(parts))
        path = None if found is None else self.root / found
        return str(path) if path is not None and path.is_file() and not path.is_symlink() else None


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.replace("\\", "/")).casefold()


def table_of(path: Path) -> bytes:
    """The content of a table that describes a layout. Raises: UsageError for a link, a pipe, or what is too large."""
    try:
        with open_regular(path) as file:
            content = file.read(LARGEST_TABLE + 1)
    except (UnreadableInput, OSError) as error:
        raise UsageError(f"{path}: {error}") from error
    if len(content) > LARGEST_TABLE:
        raise UsageError(f"{path}: larger than {LARGEST_TABLE >> 20} MiB, which no table of a data set is")
    return content


def json_of(path: Path, what: str) -> Any:
    """The same as JSON. Raises: UsageError."""
    try:
        return json.loads(table_of(path))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not {what}: {error}") from error


def role_of(text: str, path: Path) -> str:
    """The role that a table's word means. Raises: UsageError."""
    if (role := ROLES.get(text.strip().lower())) is None:
        raise UsageError(f"{path}: the role {text!r} is none of {', '.join(ROLES)}")
    return role
