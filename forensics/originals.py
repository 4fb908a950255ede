"""The files that a run's items came out of, found again: only if their bytes are still what was scored."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, BinaryIO

from oddpixel.datasets.entry import Entry
from oddpixel.datasets.group_key import group_key
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.reading import Reader
from oddpixel.datasets.source import FileSource, open_source
from oddpixel.errors import MissingFile

from .runs import Run


class OriginalFiles:
    """Of one run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._source: FileSource | None = None
        self._reader: Reader | None = None
        self._entries: dict[str, Entry] = {}

    def _given(self) -> dict[str, Any]:
        options: dict[str, Any] = self.run.record["options"]
        given: dict[str, Any] = options.get("incoming") or options
        return given

    @property
    def source(self) -> FileSource:
        """What the run was made from, listed once."""
        if self._source is None:
            given = self._given()
            names = ("any_suffix", "every", "by_shot", "follow_links")
            taken = {name: given[name] for name in names if given.get(name) is not None}
            self._source = open_source(*self.run.record["places"], **taken)
            self._entries = {entry.name: entry for entry in self._source.entries}
        return self._source

    @property
    def reader(self) -> Reader:
        """How the files are read: as they were."""
        if self._reader is None:
            given = self._given()
            pixels = given.get("max_megapixels")
            limits = Limits() if pixels is None else Limits(max_pixels=int(pixels * 1e6))
            self._reader = Reader(limits, group_key(), any_suffix=bool(given.get("any_suffix")))
        return self._reader

    def entry(self, row: dict[str, Any]) -> Entry:
        """Raises: MissingFile."""
        item = row["item"]
        if (there := self._beside(item)) is not None:
            return there
        _ = self.source
        entry = self._entries.get(item) or self._entries.get(item.rpartition("#")[0])
        if entry is None:
            raise MissingFile(f"{item} is no longer where it was scored ({', '.join(self.run.record['places'])})")
        return entry

    def _beside(self, item: str) -> Entry | None:
        """In a folder that the run was made from, by its name there: no need to list a hundred thousand others."""
        for place in map(Path, self.run.record["places"]):
            for name in (item, item.rpartition("#")[0]):
                path = place / name
                if name and place.is_dir() and path.is_file() and path.resolve().is_relative_to(place.resolve()):
                    return Entry(name=name, path=path)
        return None

    def open(self, row: dict[str, Any]) -> BinaryIO:
        """Its bytes, which are those that were scored. Raises: UnreadableInput."""
        file = self.entry(row).open(self.reader.limits)
        if row["sha256"] and hashlib.file_digest(file, "sha256").hexdigest() != row["sha256"]:  # type: ignore[arg-type]
            file.close()
            raise changed(row["item"])
        file.seek(0)
        return file


def changed(item: str) -> MissingFile:
    return MissingFile(f"{item} is no longer the file that was scored: its SHA-256 differs")
