"""A folder tree, in the order of the paths. Files that are no images are left out; a link out of the tree is an error row."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from oddpixel.errors import MissingFile, UnsafePath, UnsupportedFormat

from ..decoding import identify
from ..entry import Entry, open_regular
from ..formats import promised_format
from ..reading import Reader


class Folder:
    def accepts(self, place: str) -> bool:
        return Path(place).is_dir()

    def entries(self, place: str, reader: Reader) -> list[Entry]:
        root = Path(place)
        return [entry for path in _walk(root) if (entry := _entry(path, root)) is not None]


LISTER = Folder


def _walk(root: Path) -> Iterator[Path]:
    """Files and links, sorted so that the order is the same on every file system; hidden ones are left out."""
    with os.scandir(root) as scan:
        found = sorted((item for item in scan if not item.name.startswith(".")), key=lambda item: item.name)
    for item in found:
        if item.is_dir(follow_symlinks=False):
            yield from _walk(Path(item.path))
        else:
            yield Path(item.path)


def _entry(path: Path, root: Path) -> Entry | None:
    name = path.relative_to(root).as_posix()
    if path.is_symlink():
        target = path.resolve()
        if not target.is_relative_to(root.resolve()):
            return Entry(name=name, path=path, error=UnsafePath(f"a link out of the folder, to {target.name!r}"))
        if not target.is_file():
            return None  # a link to a folder of this tree, which is walked anyway, or to nothing
        path = target
    if promised_format(path.name) is not None:
        return Entry(name=name, path=path)
    unnamed = not path.suffix or path.suffix[1:].isdigit()
    return Entry(name=name, path=path) if unnamed and path.name != "DICOMDIR" and _is_image(path) else None


def _is_image(path: Path) -> bool:
    """By content: DICOM files often have no suffix, or the tail of a UID for one."""
    try:
        with open_regular(path) as file:
            identify(file.read(512), path.name, any_suffix=True)
    except (UnsupportedFormat, MissingFile, UnsafePath, OSError):
        return False
    return True
