"""A pattern with `*`, `?`, `[...]` or `**`, in the order of the paths. Links are followed below its fixed part alone."""

from __future__ import annotations

import glob
import os
from itertools import chain
from pathlib import Path

from oddpixel.errors import UsageError

from ..entry import Entry
from ..listing import LeftOut, Listing, file_name
from ..reading import Reader
from ..remote import is_remote
from ..walking import DANGLING, Listed, leads_out, listed_file, split, unlisted

FOLDER = "a folder (end the pattern in **/* to read what is in it)"


class Pattern:
    """Lists the matches of a glob pattern."""

    stands_alone = False

    def accepts(self, place: str) -> bool:
        """Whether the place holds a wildcard and is not itself a path."""
        return glob.has_magic(place) and not os.path.lexists(place) and not is_remote(place)

    def listing(self, place: str, reader: Reader) -> Listing:
        """List the matches; folders that cannot be searched are error rows."""
        matches = sorted(glob.glob(place, recursive=True))
        closed = _closed_folders(place)
        if not matches and not closed:
            raise UsageError(f"{place}: the pattern matches no file")
        fixed = glob.escape(place).replace("[", "\0").replace("*", "\0").replace("?", "\0").split("\0")[0]
        root = os.path.dirname(fixed) or "."
        is_deep = "**" in place  # then the content of folders is matched too
        listed = (_listed(path, root) for path in matches if not (is_deep and os.path.isdir(path)))
        return split(chain(listed, (unlisted(Path(path), _name(path, root), error) for path, error in closed.items())))


LISTER = Pattern


def _closed_folders(place: str) -> dict[str, OSError]:
    """Folders on the pattern's way that cannot be listed: `glob` passes over them in silence."""
    closed: dict[str, OSError] = {}
    parts = Path(place).parts
    for depth in range(1, len(parts)):
        for folder in sorted(glob.glob(os.path.join(*parts[:depth]), recursive=True)):
            try:
                if os.path.isdir(folder):
                    os.listdir(folder)
            except OSError as error:
                closed[folder] = error
    return closed


def _name(path: str, root: str) -> str:
    return file_name(Path(os.path.relpath(path, root)).as_posix())


def _listed(path: str, root: str) -> Listed:
    name = _name(path, root)
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(os.path.realpath(root)):
        return Entry(name=name, path=Path(path), error=leads_out(target))
    if not target.exists():
        return LeftOut(name, DANGLING)
    return LeftOut(name, FOLDER) if target.is_dir() else listed_file(target, name)
