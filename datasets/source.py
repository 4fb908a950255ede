"""Where images come from: `Source`, a lazy sequence in a stable order that can be cut into shards.

    for image in open_source("scans/"):
        ...

One bad file yields one `Unreadable` in its place; nothing else is lost.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from oddpixel.errors import NoImages, UnsafePath, UsageError
from oddpixel.image import Image, Unreadable

from .entry import Entry
from .formats import promised_format
from .group_key import group_key
from .limits import Limits
from .listing import LeftOut, Listing, merged, reasons
from .reading import Reader
from .series import arrange
from .sources import Lister, listers
from .sources.file import SingleFile

logger = logging.getLogger(__name__)


@runtime_checkable
class Source(Protocol):
    """A lazy sequence of images. `len` counts files; a file may hold several images (pages, frames)."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice) -> Source: ...

    def __iter__(self) -> Iterator[Image | Unreadable]: ...


@dataclass(frozen=True)
class FileSource:
    """Images in files, read through `reader` in the order of `entries`.

    Arguments:
        left_out: files at the same places that are not read.
        notes: what the user should know about the places.
    """

    entries: tuple[Entry, ...]
    reader: Reader
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()

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

    @property
    def listing(self) -> Listing:
        """The entries and left-out files of this source as a `Listing`."""
        return Listing(self.entries, self.left_out, self.notes)

    def check_any(self) -> None:
        """Check that there is something to read.

        Raises: NoImages where there is nothing to read, with what was left out instead.
        """
        if not self.entries:
            counted = ", ".join(f"{count} {reason}" for reason, count in reasons(self.left_out).items())
            raise NoImages(
                f"none of the files is an image ({counted})" if counted else "there are no files at the given places"
            )


def open_source(
    *places: str | Path,
    limits: Limits | None = None,
    num_workers: int = 2,
    sandboxed: bool = True,
    any_suffix: bool = False,
    every: int = 1,
    by_shot: bool = False,
    follow_links: bool = False,
) -> FileSource:
    """Open the images at these places: files, folders, globs, manifests (CSV, Parquet), zip archives, DICOMDIRs.

    A prefix names a layout (`mvtec:ROOT`, `mvtec2:`, `visa:`, `realiad:`, `coco:`, `imagefolder:`, `faceforensics:`) or a
    packaged corpus (`corpus:NAME`, `corpus:NAME/test`). `s3://bucket/folder` and the like are elsewhere (`remote`).

    Arguments:
        limits: caps on what one file may cost.
        num_workers: decoding processes.
        sandboxed: decode in confined worker processes; False only for files you made yourself.
        any_suffix: read a file by its content even where its suffix promises another format.
        every: of files with several frames (video, volumes, pages), only every so many-th.
        by_shot: of a video, only the middle frame of every shot.
        follow_links: walk folders that links lead to, inside the place alone.

    Raises: UsageError where nothing is to be found at a place; of several, one that names a file is that file's error row.

    DICOM slices are grouped by series and sorted along the slice normal; everything else keeps the order of its path.
    """
    reader = reader_of(
        limits=limits, num_workers=num_workers, sandboxed=sandboxed, any_suffix=any_suffix, every=every,
        by_shot=by_shot, follow_links=follow_links,
    )  # fmt: skip
    _check_there(places)
    listing = merged([_listing(place, reader) for place in places])
    return FileSource(tuple(arrange(listing.entries, reader)), reader, listing.left_out, listing.notes)


def readable(source: FileSource) -> Iterator[Image]:
    """Yield the images that can be read; a warning at the end counts the errors and the files left out."""
    errors: Counter[str] = Counter()
    for image in source:
        if isinstance(image, Image):
            yield image
        else:
            errors[type(image.error).__name__] += 1
    counts = {**errors, **reasons(source.left_out)}
    if counts:
        counted = ", ".join(f"{count} {reason}" for reason, count in counts.items())
        logger.warning("%d files left out: %s", sum(counts.values()), counted)


def reader_of(*, limits: Limits | None = None, every: int = 1, **options: Any) -> Reader:
    """A reader with this machine's group key; options as for `open_source`. Raises: UsageError."""
    if every < 1:
        raise UsageError(f"`every` must be 1 or more, got {every}")
    return Reader(limits or Limits(), group_key(), every=every, **options)


def check_stands_alone(path: Path) -> None:
    """Refuse a file that names others (a table, a DICOMDIR): of what a stranger sends, only itself may be read.

    Raises: UnsafePath.
    """
    if not next(lister for lister in listers() if lister.accepts(str(path))).stands_alone:
        raise UnsafePath("a file that names others is not followed; send the images themselves, or a zip of them")


def _check_there(places: Sequence[str | Path]) -> None:
    """Refuse what nothing can be listed at; a file that is not there is listed where something else is. Raises: UsageError."""
    missing = [place for place in places if _lister(place) is None]
    names_files = all(promised_format(Path(place).name) is not None for place in missing)
    if missing and (len(missing) == len(places) or not names_files):
        raise UsageError(f"{missing[0]}: no such file or folder, and no pattern that matches anything")


def _listing(place: str | Path, reader: Reader) -> Listing:
    return (_lister(place) or SingleFile()).listing(str(place), reader)


def _lister(place: str | Path) -> Lister | None:
    return next((lister for lister in listers() if lister.accepts(str(place))), None)
