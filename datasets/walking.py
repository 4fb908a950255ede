"""A folder tree, in the order of the paths.

The content decides what a file is; a suffix only promises, and a file that breaks the promise of an image suffix is an error
row. Hidden files, and files that are not images, are left out and counted. A link is followed inside the tree alone: to a file
that is not walked by itself (a store of contents in a hidden folder), and with `follow_links` to such a folder. A link out of
the tree is an error row.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from oddpixel.errors import CorruptFile, MissingFile, UnreadableInput, UnsafePath

from .decoding import identify
from .entry import Entry, open_regular
from .formats import promised_format
from .listing import LeftOut, Listing, file_name
from .pairs import files_of

HEAD = 512  # bytes that tell a format
HIDDEN, NO_IMAGE, EMPTY, LINKED = "hidden", "not an image", "empty", "a link to a file that is read by itself"
FOLDER_LINK, DANGLING = "a link to a hidden folder (--follow-links reads it)", "a broken link"
ARCHIVE, MANIFEST, DICOMDIR = "an archive (name it to read it)", "a manifest (name it to read it)", "a DICOMDIR"
# By suffix: their content cannot be told from other text, or from other zip files.
NAMED_PLACES = {".zip": ARCHIVE, ".csv": MANIFEST, ".tsv": MANIFEST, ".parquet": MANIFEST}

Listed = Entry | LeftOut
Classify = Callable[[Path, str], Listed]


def walk(root: Path, follow_links: bool = False, *, file: Classify | None = None) -> Listing:
    """List everything below `root`. A folder that cannot be listed is an error row.

    Arguments:
        follow_links: walk hidden folders that links lead to.
        file: what a file by its path and name is; `listed_file` where not given.
    """
    listing = split(_walk(root, follow_links, file or listed_file))
    inside = Path(os.path.realpath(root))
    return replace(listing, entries=tuple(replace(entry, inside=inside) for entry in listing.entries))


def split(listed: Iterator[Listed]) -> Listing:
    """Separate entries from files that are left out."""
    entries: list[Entry] = []
    left_out: list[LeftOut] = []
    for item in listed:
        entries.append(item) if isinstance(item, Entry) else left_out.append(item)
    return Listing(tuple(entries), tuple(left_out))


def _walk(root: Path, follow_links: bool, file: Classify) -> Iterator[Listed]:
    inside = os.path.realpath(root)
    seen = {inside}  # folders that were reached through links: a link may lead to a folder above itself
    waiting = _content(root, "")
    while waiting:
        item = waiting.pop()
        if isinstance(item, Entry):
            yield item
            continue
        path, name = item
        if path.name.startswith("."):
            yield LeftOut(name, HIDDEN)
        elif path.is_symlink():
            if (linked := _linked(path, name, inside, follow_links, file)) is not None:
                yield linked
            elif (target := os.path.realpath(path)) not in seen:
                seen.add(target)
                waiting += _content(Path(target), name)
        elif path.is_dir():
            waiting += _content(path, name)
        else:
            yield file(path, name)


def _content(folder: Path, name: str) -> list[tuple[Path, str] | Entry]:
    """Paths and names, the first by name at the end; an error row for a folder that cannot be listed."""
    try:
        children = sorted(os.listdir(folder), reverse=True)
    except OSError as error:
        return [unlisted(folder, name or file_name(folder.name), error)]
    return [(folder / child, f"{name}/{file_name(child)}".lstrip("/")) for child in children]


def unlisted(folder: Path, name: str, error: OSError) -> Entry:
    """The error row of a folder that cannot be listed."""
    problem = MissingFile(f"the folder cannot be listed: {error.strerror}; its files are not read")
    return Entry(name=name, path=folder, error=problem)


def _linked(path: Path, name: str, inside: str, follow_links: bool, file: Classify) -> Listed | None:
    """What a link stands for; None for a folder to be walked."""
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(inside):
        return Entry(name=name, path=path, error=leads_out(target))
    below = target.relative_to(inside)
    if not target.exists():
        return LeftOut(name, DANGLING)
    if not any(part.startswith(".") for part in below.parts):
        return LeftOut(name, LINKED, f"to {file_name(below)}")
    if target.is_dir():
        return None if follow_links else LeftOut(name, FOLDER_LINK)
    return file(target, name)


def leads_out(target: Path) -> UnsafePath:
    """The error of a link whose target lies outside of the folder."""
    return UnsafePath(
        f"the link leads out of the folder, to {file_name(target.name)!r}; name that file itself to read it"
    )


def is_dicomdir(name: str) -> bool:
    """Whether a file name is that of a DICOMDIR."""
    return name.upper().startswith("DICOMDIR")


def listed_file(path: Path, name: str) -> Listed:
    """A file as an entry, or with the reason why it is left out."""
    if is_dicomdir(path.name):
        return LeftOut(name, DICOMDIR)
    if promised_format(path.name) is not None:
        return Entry(name=name, path=path)
    if (place := NAMED_PLACES.get(path.suffix.lower())) is not None:
        return LeftOut(name, place)
    entry = Entry(name=name, path=path)
    if len(files_of(entry)) > 1:  # the voxels of a pair are told from nothing but their header
        return entry
    try:
        with open_regular(path) as file:
            identify(file.read(HEAD), path.name, any_suffix=True)
    except CorruptFile:
        return LeftOut(name, EMPTY)
    except MissingFile:  # there, but it may not be read: that is an error row, not a file of another kind
        pass
    except UnreadableInput as error:
        return LeftOut(name, NO_IMAGE, str(error))
    except OSError as error:
        return Entry(name=name, path=path, error=CorruptFile(f"cannot be read: {error.strerror}"))
    return entry
