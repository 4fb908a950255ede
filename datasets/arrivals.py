"""Files of a folder as they arrive: each once its size and time stand still, and again when it changes.

Nothing outside of the folder is opened: a link that leads out is an error row, and a manifest is not read as a list of files,
but is a file that is not an image. Names under which programs write before they rename are left alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from oddpixel.errors import MissingFile, UnreadableInput

from .decoding import identify
from .entry import Entry, open_regular
from .limits import Limits
from .listing import LeftOut, merged
from .pairs import VOXELS, files_of, lacks_other_half
from .sources.archive import archive_listing
from .walking import HEAD, Listed, walk

# Browsers, curl, wget, rsync, lftp, aria2, FileZilla, WinSCP, BitTorrent, editors, Office; `x.png.tmp123` is mkstemp's form.
TEMPORARY = re.compile(
    r".+\.(part|partial|tmp|temp|crdownload|download|opdownload|filepart|wip|sw[opx]|lock|lck|aria2|bt|!ut|!qb"
    r"|in-?progress|incomplete|unfinished|writing|upload|uploading|copying)|.+\.(tmp|part)[-_.]?\w{1,12}|.+~|~\$.*|#.+#",
    re.IGNORECASE,
)
UNFINISHED = "under a temporary name"
HALF = "one half of a pair, waiting for the other"
FileStates = tuple[tuple[int, int, int], ...]  # of each file: inode, size and time of the last change


@dataclass
class Arrivals:
    """A watched folder, with the state of each file when it was last seen and when it was taken.

    Arguments:
        folder: what is watched.
        limits: caps on archives.
        left_out: what the last look did not give.
        is_settling: whether the last look found files that were new or had changed: the next one may give them.
    """

    folder: Path
    limits: Limits = field(default_factory=Limits)
    left_out: tuple[LeftOut, ...] = ()
    is_settling: bool = False
    _seen: dict[str, FileStates] = field(default_factory=dict, repr=False)
    _taken: dict[str, FileStates] = field(default_factory=dict, repr=False)

    def look(self) -> Iterator[tuple[Entry, FileStates]]:
        """List the folder; yield the files that have not changed since the last look and were not taken in this state.

        Raises: MissingFile where the folder is gone.
        """
        if not self.folder.is_dir():
            raise MissingFile(f"{self.folder} no longer exists; run the same command again once it is back")
        listing = merged([walk(self.folder, file=_file)])
        waiting = [entry for entry in listing.entries if entry.error is None and _waits(entry)]
        self.left_out = (*listing.left_out, *(LeftOut(entry.name, HALF) for entry in waiting))
        self.is_settling = False
        for entry in listing.entries:
            states = None if entry in waiting else _states(entry)
            if states is None or self._taken.get(entry.name) == states:
                continue
            if self._seen.get(entry.name) == states:
                yield entry, states
            else:
                self.is_settling = True
            self._seen[entry.name] = states

    def take(self, entry: Entry, states: FileStates) -> bool:
        """Mark the file as taken if it is still in this state; it is not yielded again until it changes."""
        if _states(entry) != states:
            return False
        self._taken[entry.name] = states
        return True

    def content(self, entry: Entry) -> tuple[Entry, ...]:
        """The file itself, or the members of a zip archive, each as an entry."""
        if entry.error is not None or entry.path.suffix.lower() != ".zip":
            return (entry,)
        members = archive_listing(entry.path, self.limits).entries
        names = (entry.name if member.member is None else f"{entry.name}/{member.member}" for member in members)
        return tuple(
            replace(member, name=name, inside=entry.inside) for member, name in zip(members, names, strict=True)
        )


def _file(path: Path, name: str) -> Listed:
    """A file that arrives is judged: where images are expected, one that is not an image is an error row."""
    if TEMPORARY.fullmatch(path.name):
        return LeftOut(name, UNFINISHED)
    return Entry(name=name, path=path)


def _waits(entry: Entry) -> bool:
    """Whether the file means nothing before its other half is there."""
    if not lacks_other_half(entry.path):
        return False
    try:
        with open_regular(entry.path) as file:
            return _is_unknown(file.read(HEAD), entry.path.name)
    except (UnreadableInput, OSError):
        return False


def _is_unknown(head: bytes, name: str) -> bool:
    """Voxels have no form of their own; a disk image of another program may be called as they are."""
    if not name.lower().endswith(VOXELS):
        return True
    try:
        identify(head, name, any_suffix=True)
    except UnreadableInput:
        return True
    return False


def _states(entry: Entry) -> FileStates | None:
    """The state of each of the entry's files; None where one is gone again."""
    try:
        states = [os.lstat(path) for path in files_of(entry)]
    except OSError:
        return None
    return tuple((state.st_ino, state.st_size, state.st_mtime_ns) for state in states)
