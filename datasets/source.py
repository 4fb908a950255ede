"""Where images come from: `Source`, a lazy sequence in a stable order that can be cut into shards.

    for image in open_source("scans/"):
        ...

One bad file yields one `Unreadable` in its place; nothing else is lost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from oddpixel.errors import UsageError
from oddpixel.image import Image, Unreadable

from .entry import Entry
from .group_key import group_key
from .limits import Limits
from .reading import Reader
from .series import arrange
from .sources import listers


@runtime_checkable
class Source(Protocol):
    """A lazy sequence of images. `len` counts files; a file may hold several images (pages, frames)."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice) -> Source: ...

    def __iter__(self) -> Iterator[Image | Unreadable]: ...


@dataclass(frozen=True)
class FileSource:
    """Images in files, read through `reader` in the order of `entries`."""

    entries: tuple[Entry, ...]
    reader: Reader

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, part: slice) -> FileSource:
        return replace(self, entries=self.entries[part])

    def __iter__(self) -> Iterator[Image | Unreadable]:
        return self.reader.read(self.entries)

    def shard(self, index: int, count: int) -> FileSource:
        """The `index`-th of `count` shares: every file is in exactly one, whatever the count."""
        if not 0 <= index < count:
            raise UsageError(f"shard {index} of {count}: the index runs from 0 to {count - 1}")
        return self[index::count]


def open_source(
    *places: str | Path,
    limits: Limits | None = None,
    num_workers: int = 2,
    sandboxed: bool = True,
    any_suffix: bool = False,
    every: int = 1,
    by_shot: bool = False,
) -> FileSource:
    """The images at these places: files, folders, globs, manifests (CSV, Parquet), zip archives, DICOMDIRs.

    A prefix names a layout (`mvtec:ROOT`, `imagefolder:ROOT`, `faceforensics:ROOT`) or a packaged corpus
    (`corpus:NAME`, `corpus:NAME/test`).

    Arguments:
        limits: caps on what one file may cost.
        num_workers: decoding processes.
        sandboxed: decode in confined worker processes; False only for files you made yourself.
        any_suffix: read a file by its content even where its suffix promises another format.
        every: of files with several frames (video, volumes, pages), only every so many-th.
        by_shot: of a video, only the middle frame of every shot.

    Raises: UsageError where nothing is to be found at a place.

    DICOM slices are grouped by series and sorted along the slice normal; everything else keeps the order of its path.
    """
    limits = limits or Limits()
    if every < 1:
        raise UsageError(f"every {every}-th frame: give a number from 1 on")
    reader = Reader(limits, group_key(), num_workers, sandboxed, any_suffix, every, by_shot)
    entries = [entry for place in places for entry in _list(place, reader)]
    return FileSource(tuple(arrange(_with_unique_names(entries), reader)), reader)


def _list(place: str | Path, reader: Reader) -> list[Entry]:
    for lister in listers():
        if lister.accepts(str(place)):
            return lister.entries(str(place), reader)
    raise UsageError(f"{place}: no such file or folder, and no pattern that matches anything")


def _with_unique_names(entries: Sequence[Entry]) -> list[Entry]:
    """Two places may hold a file of the same relative name: the later ones get their folder in front."""
    seen: set[str] = set()
    unique = []
    for entry in entries:
        name, parts = entry.name, entry.path.parent.parts
        while name in seen and parts:
            name, parts = f"{parts[-1]}/{name}", parts[:-1]
        if name in seen:
            continue  # the very same file, named twice
        seen.add(name)
        unique.append(replace(entry, name=name))
    return unique
