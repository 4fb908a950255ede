"""The files at a place: entries to read, and everything that is left out, with the reason. No file is lost between the two.

    listing = merged([lister.listing(place, reader) for place in places])

A file that is listed twice (by two places, by two rows of a manifest, through a hard or a soft link) is one entry.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from oddpixel.errors import Contradiction
from oddpixel.image import file_and_frame

from .entry import Entry
from .pairs import files_of, is_linked_half

OTHER_HALF = "the other half of a pair"
MOST_FOLDERS = 8  # in front of a name
DECLARED = ("group", "label", "mask", "role")


@dataclass(frozen=True)
class LeftOut:
    """A file that is not read.

    Arguments:
        item: its name, as an entry would be called.
        reason: why, in words that many files share.
        detail: what concerns this file alone.
    """

    item: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Listing:
    """The entries at one place or several, and the files that are left out.

    Arguments:
        entries: to be read, in a stable order.
        left_out: not to be read.
        notes: what the user should know about the places themselves, a sentence each.
    """

    entries: tuple[Entry, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


def reasons(left_out: Iterable[LeftOut]) -> dict[str, int]:
    """How many files were left out for each reason, the most frequent first."""
    return dict(Counter(file.reason for file in left_out).most_common())


def merged(listings: Sequence[Listing]) -> Listing:
    """Merge listings into one, with every file once and under a unique name."""
    unique, duplicates = _without_duplicates(_with_places(listings))
    left_out = [file for listing in listings for file in listing.left_out]
    notes = dict.fromkeys(note for listing in listings for note in listing.notes)
    return Listing(tuple(_with_unique_names(unique)), (*dict.fromkeys(left_out), *duplicates), tuple(notes))


def _with_places(listings: Sequence[Listing]) -> list[Entry]:
    """All entries; those of places that share names of different files with their place in front.

    All files of such a place, so that those of one patient look alike: `pat1/1.dcm` and `pat2/1.dcm`.
    """
    if len(listings) < 2:
        return [entry for listing in listings for entry in listing.entries]
    files: dict[str, set[Hashable]] = {}
    for entry in (entry for listing in listings for entry in listing.entries):
        files.setdefault(entry.name, set()).add(_identity(entry))
    shared = {name for name, different in files.items() if len(different) > 1}
    apart = [any(entry.name in shared for entry in listing.entries) for listing in listings]
    depth = _depth(
        [entry for listing, is_apart in zip(listings, apart, strict=True) if is_apart for entry in listing.entries]
    )
    entries: list[Entry] = []
    for listing, is_apart in zip(listings, apart, strict=True):
        entries += (_with_place(entry, depth) for entry in listing.entries) if is_apart else listing.entries
    return entries


def _depth(entries: Sequence[Entry]) -> int:
    """How many folders tell the files of several places apart; as many as may help where none do."""
    for depth in range(1, MOST_FOLDERS):
        files: dict[str, set[Hashable]] = {}
        for entry in entries:
            files.setdefault(_with_place(entry, depth).name, set()).add(_identity(entry))
        if all(len(different) == 1 for different in files.values()):
            return depth
    return MOST_FOLDERS


def _with_place(entry: Entry, depth: int) -> Entry:
    """The entry with as many folders of its place in front of its name."""
    below = 1 if entry.member is not None else len(PurePosixPath(entry.name).parts)
    place = entry.path.parents[min(below, len(entry.path.parents)) - 1]
    folders = "/".join(file_name(part) for part in place.relative_to(place.anchor).parts[-depth:])
    return replace(entry, name=f"{folders}/{entry.name}") if folders else entry


def _without_duplicates(entries: Sequence[Entry]) -> tuple[list[Entry], list[LeftOut]]:
    first: dict[Hashable, Entry] = {}
    duplicates: list[LeftOut] = []
    for entry in entries:
        key = _identity(entry)
        if (earlier := first.get(key)) is None:
            first[key] = entry
            continue
        first[key] = _combined(earlier, entry)
        duplicates.append(_duplicate(entry, earlier))
    return list(first.values()), duplicates


def _duplicate(entry: Entry, earlier: Entry) -> LeftOut:
    if len(files_of(earlier)) > 1 and os.path.realpath(entry.path) != os.path.realpath(earlier.path):
        return LeftOut(entry.name, OTHER_HALF, f"read together with {earlier.name}")
    return LeftOut(entry.name, "listed twice", f"the same file as {earlier.name}")


def _identity(entry: Entry) -> Hashable:
    """Identity of the bytes: equal for hard links, soft links, spellings of one path, and both halves of a pair."""
    if entry.error is not None and not is_linked_half(entry.path):  # it will not be opened, whatever it leads to
        return os.path.abspath(entry.path), entry.member
    path = files_of(entry)[0]
    try:
        state = os.stat(path)
    except OSError:
        return os.path.realpath(path), entry.member
    return state.st_dev, state.st_ino, entry.member


def _combined(entry: Entry, duplicate: Entry) -> Entry:
    """What either says of the file; an error where they contradict each other."""
    for name in DECLARED:
        first, second = getattr(entry, name), getattr(duplicate, name)
        if first is None:
            entry = replace(entry, **{name: second})
        elif second is not None and first != second and entry.error is None:
            entry = replace(
                entry,
                error=Contradiction(f"listed twice, with {name} {first!r} and {name} {second!r}; keep the right one"),
            )
    return entry


def _with_unique_names(entries: Sequence[Entry]) -> list[Entry]:
    """Make names unique: where places share a relative name, later ones get their folder in front, or a number after."""
    seen: set[str] = set()
    unique = []
    files = {entry.name for entry in entries}

    def is_taken(name: str) -> bool:
        file, frame = file_and_frame(name)  # x.tif#0 is the first page of x.tif
        return name in seen or (frame is not None and file in files)

    for entry in entries:
        name, parts = entry.name, entry.path.parent.parts
        while is_taken(name) and parts and file_and_frame(entry.name)[1] is None:
            name, parts = f"{file_name(parts[-1])}/{name}", parts[:-1]
        number = 2
        while is_taken(name):
            name, number = f"{entry.name} ({number})", number + 1
        seen.add(name)
        unique.append(replace(entry, name=name))
    return unique


def file_name(path: str | os.PathLike[str]) -> str:
    r"""A path as text that can be written anywhere: bytes that are no UTF-8 become `\xff`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
