"""The files that a run's items came out of, found again: only with the SHA-256 that was scored, and only in folders that whoever
opened the run has named. A run is handed on, and may name any place of this machine as where its items were.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from oddpixel.datasets.entry import Entry
from oddpixel.datasets.group_key import group_key
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.pairs import open_whole
from oddpixel.datasets.reading import Reader
from oddpixel.datasets.remote import is_remote
from oddpixel.datasets.source import FileSource, open_source
from oddpixel.errors import MissingFile, UnsafePath
from oddpixel.image import file_and_frame

from .rows import Row
from .run import Run

DIGEST = re.compile(r"[0-9a-f]{64}")


class OriginalFiles:
    """The original files of one run.

    Arguments:
        roots: the folders that may be read; None for a run of the caller's own.
    """

    def __init__(self, run: Run, roots: Sequence[Path] | None = None) -> None:
        self.run = run
        self.roots = None if roots is None else [root.resolve() for root in roots]
        self._source: FileSource | None = None
        self._reader: Reader | None = None
        self._entries: dict[str, Entry] = {}

    def _given(self) -> dict[str, Any]:
        options: dict[str, Any] = self.run.record["options"]
        given: dict[str, Any] = options.get("incoming") or options
        return given

    @property
    def source(self) -> FileSource:
        """The listing of the places that the run was made from. Raises: UnsafePath, UsageError."""
        if self._source is None:
            for place in self.run.record["places"]:
                if self.roots is not None and is_remote(place):
                    raise UnsafePath(
                        f"the original is at {place}, and nothing is fetched for a run that may be another's"
                    )
                self._check(Path(_named(place)))
            given = self._given()
            names = ("any_suffix", "every", "by_shot", "follow_links")
            taken = {name: given[name] for name in names if given.get(name) is not None}
            self._source = open_source(*self.run.record["places"], **taken)
            self._entries = {entry.name: entry for entry in self._source.entries}
        return self._source

    @property
    def reader(self) -> Reader:
        """The reader with the run's own limits and options."""
        if self._reader is None:
            given = self._given()
            pixels = given.get("max_megapixels")
            limits = Limits() if pixels is None else Limits(max_pixels=int(pixels * 1e6))
            self._reader = Reader(limits, group_key(), any_suffix=bool(given.get("any_suffix")))
        return self._reader

    def entry(self, row: Row) -> Entry:
        """The original file of a row, or the frame in it, in the folders that may be read. Raises: MissingFile."""
        item = row.item
        if (there := self._beside(item)) is not None:
            return there
        _ = self.source  # listed
        entry = self._entries.get(item) or self._entries.get(file_and_frame(item)[0])
        if entry is None:
            raise MissingFile(f"{item} is no longer where it was scored ({', '.join(self.run.record['places'])})")
        self._check(entry.path)
        return entry

    def _beside(self, item: str) -> Entry | None:
        """In a folder that the run was made from, by its name there: no need to list a hundred thousand others."""
        for place in map(Path, self.run.record["places"]):
            for name in (file_and_frame(item)[0], item):  # x.tif#0 is a page of x.tif wherever there is an x.tif
                path = place / name
                if name and _is_inside(path, place):
                    self._check(path)
                    return Entry(name=name, path=path)
        return None

    def _check(self, path: Path) -> None:
        """Refuse a file outside the folders that may be read. Raises: UnsafePath."""
        if self.roots is None:
            return
        where = path.resolve()
        if not any(where.is_relative_to(root) for root in self.roots):
            named = ", ".join(map(str, self.roots)) or "no folder"
            raise UnsafePath(
                f"{path} lies outside of the folders that may be read ({named}); start the dashboard with --data FOLDER"
            )

    def open(self, row: Row) -> BinaryIO:
        """The file's bytes, which are those that were scored. Raises: UnreadableInput."""
        digest = recorded_digest(row)
        file = open_whole(self.entry(row), self.reader.limits)
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:  # type: ignore[arg-type]
            file.close()
            raise changed(row.item)
        file.seek(0)
        return file


def recorded_digest(row: Row) -> str:
    """The SHA-256 that the run recorded. Raises: MissingFile where it recorded none: any file would do then."""
    if not DIGEST.fullmatch(str(row.sha256 or "")):
        raise MissingFile(f"the run recorded no SHA-256 of {row.item}, so no file can be shown to be the one it scored")
    return str(row.sha256)


def _named(place: str) -> str:
    """The file or folder in a place: without a layout's prefix, and up to the first wildcard."""
    if not Path(place).exists() and ":" in place:
        place = place.partition(":")[2]
    parts = Path(place).parts
    kept = list(itertools.takewhile(lambda part: not any(sign in part for sign in "*?["), parts))
    return str(Path(*kept)) if kept else "."


def _is_inside(path: Path, folder: Path) -> bool:
    try:
        return folder.is_dir() and path.is_file() and path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):  # a name that no file system takes
        return False


def changed(item: str) -> MissingFile:
    """The error for a file whose content is no longer what was scored."""
    return MissingFile(f"{item} is no longer the file that was scored: its SHA-256 differs")
