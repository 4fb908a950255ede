"""Files elsewhere: `s3://bucket/folder`, `gs://`, `az://`, an address of one file by HTTP (`remote`).

What a file is, is told as in a folder: by its name where that promises a format, else by its first bytes.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from oddpixel.errors import UnreadableInput, UsageError

from ..decoding import identify
from ..entry import Entry
from ..formats import promised_format
from ..listing import LeftOut, Listing, file_name
from ..reading import Reader
from ..remote import WEB, Remote, by_http, check_address, file_system, is_remote, spool_bytes, version_of
from ..walking import DICOMDIR, EMPTY, HEAD, HIDDEN, NAMED_PLACES, NO_IMAGE, Listed, is_dicomdir, split


class Elsewhere:
    """Lists object stores, and takes single files by HTTP."""

    stands_alone = False

    def accepts(self, place: str) -> bool:
        """Whether the place is such an address."""
        return is_remote(place)

    def listing(self, place: str, reader: Reader) -> Listing:
        """List the files; nothing is fetched but the first bytes of those whose names say nothing.

        Raises: UsageError where there is nothing, or the store cannot be reached.
        """
        check_address(place)
        spool_bytes()
        if urlsplit(place).scheme.lower() in WEB:
            return Listing((_by_http(place),))
        system, path = file_system(place)
        try:
            found = _found(system, path)
        except Exception as error:  # of libraries of stores, each its own
            raise UsageError(f"{place} cannot be listed: {type(error).__name__}: {error}") from error
        if not found:
            raise UsageError(f"{place}: there is no such file or folder")
        scheme = urlsplit(place).scheme
        root = glob.escape(path).partition("[")[0].rpartition("/")[0] if glob.has_magic(path) else path.rstrip("/")
        if list(found) == [root]:
            root = root.rpartition("/")[0]
        return split(
            _listed(system, key, key.removeprefix(root).lstrip("/"), scheme, found[key]) for key in sorted(found)
        )


LISTER = Elsewhere


def _found(system: Any, path: str) -> Mapping[str, Mapping[str, Any]]:
    """What is known of every object, by its key."""
    system.invalidate_cache()
    if glob.has_magic(path) and not system.exists(path):
        matches = system.glob(path, detail=True)
        return {key: about for key, about in matches.items() if about.get("type") == "file"}
    found: Mapping[str, Mapping[str, Any]] = system.find(path, detail=True)
    return found


def _listed(system: Any, key: str, name: str, scheme: str, about: Mapping[str, Any]) -> Listed:
    name, size = file_name(name), about.get("size")
    remote = Remote(f"{scheme}://{key}", size, version_of(about))
    entry = Entry(name=name, path=remote.path, remote=remote)
    last = name.rpartition("/")[2]
    if any(part.startswith(".") for part in name.split("/")):
        return LeftOut(name, HIDDEN)
    if size == 0:
        return LeftOut(name, EMPTY)
    if is_dicomdir(last):
        return LeftOut(name, DICOMDIR)
    if promised_format(last) is not None:
        return entry
    if (place := NAMED_PLACES.get(entry.path.suffix.lower())) is not None:
        return LeftOut(name, place.partition(" (")[0] + " elsewhere (fetch it to read it)")
    try:
        identify(system.cat_file(key, start=0, end=min(HEAD, size or HEAD)), last, any_suffix=True)
    except UnreadableInput as error:
        return LeftOut(name, NO_IMAGE, str(error))
    except Exception:  # it will be tried again when it is opened, and its error row says why
        return entry
    return entry


def _by_http(place: str) -> Entry:
    try:
        remote = by_http(place)
    except (OSError, UnreadableInput):  # a server may know no HEAD; what cannot be had is an error row
        remote = Remote(place)
    return Entry(
        name=file_name(unquote(urlsplit(place).path).rpartition("/")[2] or "file"), path=remote.path, remote=remote
    )
