"""A pattern with `*`, `?`, `[...]` or `**`, in the order of the paths."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from oddpixel.errors import UsageError

from ..entry import Entry
from ..reading import Reader


class Pattern:
    def accepts(self, place: str) -> bool:
        return glob.has_magic(place) and not os.path.lexists(place)

    def entries(self, place: str, reader: Reader) -> list[Entry]:
        found = sorted(path for path in glob.glob(place, recursive=True) if os.path.isfile(path))
        if not found:
            raise UsageError(f"{place}: the pattern matches no file")
        fixed = glob.escape(place).replace("[", "\0").replace("*", "\0").replace("?", "\0").split("\0")[0]
        root = os.path.dirname(fixed) or "."
        return [Entry(name=Path(os.path.relpath(path, root)).as_posix(), path=Path(path).resolve()) for path in found]


LISTER = Pattern
