"""A zip archive, read in place: nothing is unpacked into the file system, so a member's name can lead nowhere."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from oddpixel.errors import CorruptFile, OddPixelError, TooLarge, UnreadableInput, UnsafePath, UnsupportedFormat

from ..decoding import identify
from ..entry import Entry, open_regular
from ..formats import promised_format
from ..limits import Limits
from ..listing import LeftOut, Listing, file_name
from ..reading import Reader
from ..walking import EMPTY, HEAD, HIDDEN, NAMED_PLACES, NO_IMAGE, Listed, split

SHADOWED = "an earlier archive member of the same name"
RESOURCES = "__MACOSX"  # what macOS adds beside every file


class Archive:
    def accepts(self, place: str) -> bool:
        return Path(place).suffix.lower() == ".zip" and Path(place).is_file()

    def listing(self, place: str, reader: Reader) -> Listing:
        return archive_listing(Path(os.path.realpath(place)), reader.limits)


LISTER = Archive


def archive_listing(path: Path, limits: Limits) -> Listing:
    """The members by name. An archive that cannot be listed is an error row."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            return split(iter(list(_members(archive, path, limits))))
    except UnreadableInput as error:
        problem = error
    except (OddPixelError, MemoryError):
        raise
    except Exception as error:  # of a hostile directory anything may come
        problem = CorruptFile(f"not a readable zip archive: {type(error).__name__}: {error}")
    return Listing((Entry(name=file_name(path.name), path=path, error=problem),))


def _members(archive: zipfile.ZipFile, path: Path, limits: Limits) -> Iterator[Listed]:
    """Raises: TooLarge."""
    members = [info for info in archive.infolist() if not info.is_dir()]
    if len(members) > limits.max_frames:
        raise TooLarge(f"{len(members)} members, over the cap of {limits.max_frames}")
    for info in sorted(members, key=lambda info: info.filename):
        name = f"{file_name(path.name)}/{info.filename.replace(chr(92), '/').lstrip('/')}"
        if archive.getinfo(info.filename) is not info:
            yield LeftOut(name, SHADOWED)
        else:
            yield _member(archive, info, Entry(name=name, path=path, member=info.filename))


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, entry: Entry) -> Listed:
    parts = PurePosixPath(info.filename.replace("\\", "/")).parts
    is_link = (info.external_attr >> 16) & 0o170000 == 0o120000
    if parts[0].startswith("/") or ".." in parts or ":" in parts[0] or is_link:
        what = "a link" if is_link else "a name that leads out of the archive"
        error = UnsafePath(f"{what}: {info.filename[:80]!r}")
        return Entry(name=entry.name, path=entry.path, member=entry.member, error=error)
    if parts[0] == RESOURCES or any(part.startswith(".") for part in parts):
        return LeftOut(entry.name, HIDDEN)
    if promised_format(parts[-1]) is not None:
        return entry
    if (place := NAMED_PLACES.get(PurePosixPath(parts[-1]).suffix.lower())) is not None:
        return LeftOut(entry.name, place)
    return LeftOut(entry.name, EMPTY) if info.file_size == 0 else _by_content(archive, info, entry)


def _by_content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, entry: Entry) -> Listed:
    try:
        with archive.open(info) as member:
            identify(member.read(HEAD), info.filename, any_suffix=True)
    except UnsupportedFormat as error:
        return LeftOut(entry.name, NO_IMAGE, str(error))
    except Exception:  # encrypted or damaged: reading it says so, in an error row
        return entry
    return entry
