"""Files of a folder as they arrive: each once its size and time stand still, and again when it changes.

Nothing outside of the folder is opened: a link that leads out is an error row, and a manifest is no list of files here, but a
file that is no image. Names under which programs write before they rename are left alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from oddpixel.errors import MissingFile

from .entry import Entry
from .limits import Limits
from .listing import LeftOut, merged
from .sources.archive import archive_listing
from .walking import Listed, walk

# Browsers, curl, wget, rsync, lftp, aria2, FileZilla, WinSCP, BitTorrent, editors, Office; `x.png.tmp123` is mkstemp's form.
TEMPORARY = re.compile(
    r".+\.(part|partial|tmp|temp|crdownload|download|opdownload|filepart|wip|sw[opx]|lock|lck|aria2|bt|!ut|!qb"
    r"|in-?progress|incomplete|unfinished|writing|upload|uploading|copying)|.+\.(tmp|part)[-_.]?\w{1,12}|.+~|~\$.*|#.+#",
    re.IGNORECASE,
)
UNFINISHED = "under a temporary name"
Looks = tuple[int, int, int]  # inode, size and time of the last change


@dataclass
class Arrivals:
    """Arguments:
    folder: what is watched.
    limits: caps on archives.
    left_out: what the last look did not give.
    """

    folder: Path
    limits: Limits = field(default_factory=Limits)
    left_out: tuple[LeftOut, ...] = ()
    _seen: dict[str, Looks] = field(default_factory=dict, repr=False)
    _taken: dict[str, Looks] = field(default_factory=dict, repr=False)

    def look(self) -> Iterator[tuple[Entry, Looks]]:
        """Files that look as they did before and were not taken so. Raises: MissingFile where the folder is gone."""
        if not self.folder.is_dir():
            raise MissingFile(f"{self.folder} is no longer there; the same command goes on once it is back")
        listing = merged([walk(self.folder, file=_file)])
        self.left_out = listing.left_out
        for entry in listing.entries:
            looks = _looks(entry.path)
            if looks is None or self._taken.get(entry.name) == looks:
                continue
            if self._seen.get(entry.name) == looks:
                yield entry, looks
            self._seen[entry.name] = looks

    def take(self, entry: Entry, looks: Looks) -> bool:
        """Whether the file looks so still: then it is not given again until it changes."""
        if _looks(entry.path) != looks:
            return False
        self._taken[entry.name] = looks
        return True

    def content(self, entry: Entry) -> tuple[Entry, ...]:
        """The file itself, or the members of an archive."""
        if entry.error is not None or entry.path.suffix.lower() != ".zip":
            return (entry,)
        members = archive_listing(entry.path, self.limits).entries
        names = (entry.name if each.member is None else f"{entry.name}/{each.member}" for each in members)
        return tuple(replace(each, name=name, inside=entry.inside) for each, name in zip(members, names, strict=True))


def _file(path: Path, name: str) -> Listed:
    """Whatever arrives is judged: where images are expected, a file that is none is an error row."""
    if TEMPORARY.fullmatch(path.name):
        return LeftOut(name, UNFINISHED)
    return Entry(name=name, path=path)


def _looks(path: Path) -> Looks | None:
    try:
        state = os.lstat(path)
    except OSError:  # gone again
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns
