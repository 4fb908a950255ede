"""A folder tree (`walking`)."""

from __future__ import annotations

from pathlib import Path

from ..listing import Listing
from ..reading import Reader
from ..walking import walk


class Folder:
    """Lists folder trees."""

    stands_alone = False

    def accepts(self, place: str) -> bool:
        """Whether the place is a folder."""
        return Path(place).is_dir()

    def listing(self, place: str, reader: Reader) -> Listing:
        """List the folder and everything below it."""
        return walk(Path(place), reader.follow_links)


LISTER = Folder
