"""A folder tree (`walking`)."""

from __future__ import annotations

from pathlib import Path

from ..listing import Listing
from ..reading import Reader
from ..walking import walk


class Folder:
    def accepts(self, place: str) -> bool:
        return Path(place).is_dir()

    def listing(self, place: str, reader: Reader) -> Listing:
        return walk(Path(place), reader.follow_links)


LISTER = Folder
