"""A single file."""

from __future__ import annotations

import os
from pathlib import Path

from ..entry import Entry
from ..listing import Listing, file_name
from ..reading import Reader


class SingleFile:
    """A file that was named outright, so a link is followed: the user asked for it."""

    stands_alone = True

    def accepts(self, place: str) -> bool:
        """Whether anything exists under this path."""
        return os.path.lexists(place)

    def listing(self, place: str, reader: Reader) -> Listing:
        """List the file itself."""
        return Listing((Entry(name=file_name(Path(place).name), path=Path(os.path.realpath(place))),))


LISTER = SingleFile
