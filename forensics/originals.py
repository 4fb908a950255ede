"""The files that a run's items came out of, found again: only if their bytes are still what was scored."""

from __future__ import annotations

import hashlib
from typing import Any, BinaryIO

from oddpixel.datasets.entry import Entry
from oddpixel.datasets.source import FileSource, open_source
from oddpixel.errors import MissingFile

from .runs import Run


class OriginalFiles:
    """Of one run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._source: FileSource | None = None
        self._entries: dict[str, Entry] = {}

    @property
    def source(self) -> FileSource:
        """What the run was made from, listed once."""
        if self._source is None:
            options = self.run.record["options"]
            given = options.get("incoming") or options
            names = ("any_suffix", "every", "by_shot")
            taken = {name: given[name] for name in names if given.get(name) is not None}
            self._source = open_source(*self.run.record["places"], **taken)
            self._entries = {entry.name: entry for entry in self._source.entries}
        return self._source

    def entry(self, row: dict[str, Any]) -> Entry:
        """Raises: MissingFile."""
        item, _ = row["item"], self.source
        entry = self._entries.get(item) or self._entries.get(item.rpartition("#")[0])
        if entry is None:
            raise MissingFile(f"{item} is no longer where it was scored ({', '.join(self.run.record['places'])})")
        return entry

    def open(self, row: dict[str, Any]) -> BinaryIO:
        """Its bytes, which are those that were scored. Raises: UnreadableInput."""
        file = self.entry(row).open(self.source.reader.limits)
        if row["sha256"] and hashlib.file_digest(file, "sha256").hexdigest() != row["sha256"]:  # type: ignore[arg-type]
            file.close()
            raise changed(row["item"])
        file.seek(0)
        return file


def changed(item: str) -> MissingFile:
    return MissingFile(f"{item} is no longer the file that was scored: its SHA-256 differs")
