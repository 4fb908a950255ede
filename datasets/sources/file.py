"""A single file."""

from __future__ import annotations

import os
from pathlib import Path

from ..entry import Entry
from ..reading import Reader


class SingleFile:
    """A file that was named outright, so a link is followed: the user asked for it."""

    def accepts(self, place: str) -> bool:
        return os.path.lexists(place)

    def entries(self, place: str, reader: Reader) -> list[Entry]:
        return [Entry(name=Path(place).name, path=Path(place).resolve())]


LISTER = SingleFile
