"""A zip archive, read in place: nothing is unpacked into the file system, so a member's name can lead nowhere."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

from oddpixel.errors import UnsafePath, UsageError

from ..entry import Entry, open_regular
from ..formats import known_suffixes
from ..reading import Reader


class Archive:
    def accepts(self, place: str) -> bool:
        return Path(place).suffix.lower() == ".zip" and Path(place).is_file()

    def entries(self, place: str, reader: Reader) -> list[Entry]:
        path = Path(place).resolve()
        try:
            with open_regular(path) as file, zipfile.ZipFile(file) as archive:
                members = archive.infolist()
        except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
            raise UsageError(f"{place}: not a readable zip archive: {error}") from error
        if len(members) > reader.limits.max_frames:
            raise UsageError(f"{place}: {len(members)} members, over the cap of {reader.limits.max_frames}")
        return [
            entry
            for info in sorted(members, key=lambda info: info.filename)
            if not info.is_dir() and (entry := _entry(path, info)) is not None
        ]


LISTER = Archive


def _entry(path: Path, info: zipfile.ZipInfo) -> Entry | None:
    member = PurePosixPath(info.filename.replace("\\", "/"))
    name = f"{path.name}/{member.as_posix().lstrip('/')}"
    is_link = (info.external_attr >> 16) & 0o170000 == 0o120000
    if member.is_absolute() or ".." in member.parts or (member.parts and ":" in member.parts[0]) or is_link:
        what = "a link" if is_link else "a name that leads out of the archive"
        return Entry(name=name, path=path, member=info.filename, error=UnsafePath(f"{what}: {info.filename[:80]!r}"))
    wanted = not member.suffix or member.suffix[1:].isdigit() or member.suffix.lower() in known_suffixes()
    return Entry(name=name, path=path, member=info.filename) if wanted and not member.name.startswith(".") else None
