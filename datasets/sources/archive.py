"""A zip archive, read in place: nothing is unpacked into the file system, so a member's name can lead nowhere."""

from __future__ import annotations

import os
import zipfile
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath

from oddpixel.border import border
from oddpixel.errors import CorruptFile, OddPixelError, TooLarge, UnreadableInput, UnsafePath, UnsupportedFormat

from ..decoding import identify
from ..entry import Entry, open_regular
from ..formats import promised_format
from ..limits import Limits
from ..listing import LeftOut, Listing, file_name
from ..reading import Reader
from ..walking import DICOMDIR, EMPTY, HEAD, HIDDEN, NAMED_PLACES, NO_IMAGE, Listed, is_dicomdir, split

SHADOWED = "an earlier archive member of the same name"
RESOURCES = "__MACOSX"  # what macOS adds beside every file


class Archive:
    """Lists zip archives."""

    stands_alone = True

    def accepts(self, place: str) -> bool:
        """Whether the place is a file with the suffix `.zip`."""
        return Path(place).suffix.lower() == ".zip" and Path(place).is_file()

    def listing(self, place: str, reader: Reader) -> Listing:
        """List the members of the archive."""
        return archive_listing(Path(os.path.realpath(place)), reader.limits)


LISTER = Archive


def archive_listing(path: Path, limits: Limits) -> Listing:
    """List the members of an archive by name. An archive that cannot be listed is an error row."""
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            return split(border(_members(archive, limits), partial(_listed, archive, path), partial(_damaged, path)))
    except UnreadableInput as error:
        problem = error
    except (OddPixelError, MemoryError):
        raise
    except Exception as error:  # of a hostile directory anything may come
        problem = CorruptFile(f"not a readable zip archive: {type(error).__name__}: {error}")
    return Listing((Entry(name=file_name(path.name), path=path, error=problem),))


def _members(archive: zipfile.ZipFile, limits: Limits) -> list[zipfile.ZipInfo]:
    """The members that are files, by name. Raises: TooLarge."""
    members = [info for info in archive.infolist() if not info.is_dir()]
    if len(members) > limits.max_frames:
        raise TooLarge(f"the archive has {len(members)} members, over the cap of {limits.max_frames}")
    return sorted(members, key=lambda info: info.filename)


def _listed(archive: zipfile.ZipFile, path: Path, info: zipfile.ZipInfo) -> Listed:
    entry = _entry(path, info)
    if archive.getinfo(info.filename) is not info:
        return LeftOut(entry.name, SHADOWED)
    return _member(archive, info, entry)


def _entry(path: Path, info: zipfile.ZipInfo) -> Entry:
    name = f"{file_name(path.name)}/{info.filename.replace(chr(92), '/').lstrip('/')}"
    return Entry(name=name, path=path, member=info.filename)


def _damaged(path: Path, info: zipfile.ZipInfo, error: OddPixelError) -> Entry:
    """One member that cannot be listed: the others are."""
    return replace(_entry(path, info), error=CorruptFile(f"the archive member cannot be listed: {error}"))


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, entry: Entry) -> Listed:
    parts = PurePosixPath(info.filename.replace("\\", "/")).parts
    if not parts:  # ".", "./": a name of nothing
        return replace(entry, error=UnsafePath(f"the member's name is not a file name: {info.filename[:80]!r}"))
    is_link = (info.external_attr >> 16) & 0o170000 == 0o120000
    if parts[0].startswith("/") or ".." in parts or ":" in parts[0] or is_link:
        fault = "the member is a link" if is_link else "the member's name leads out of the archive"
        error = UnsafePath(f"{fault}: {info.filename[:80]!r}")
        return replace(entry, error=error)
    if parts[0] == RESOURCES or any(part.startswith(".") for part in parts):
        return LeftOut(entry.name, HIDDEN)
    if is_dicomdir(parts[-1]):
        return LeftOut(entry.name, DICOMDIR)
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
