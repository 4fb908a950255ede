"""Where images are and where results go, as people write them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

Place = str | os.PathLike[str]
Places = Place | Iterable[Place]
LONGEST_NAME = 60


def as_places(given: Places) -> tuple[str, ...]:
    """One place or several, as text."""
    several = (given,) if isinstance(given, str | os.PathLike) else given
    return tuple(os.fspath(place) for place in several)


def default_folder(places: Iterable[str], what: str) -> Path:
    """Where results go if no folder is named: here, under the name of the first place; `new-flagged` of `scans/new`.

    The same call goes on where it was left, since its folder has the same name again; other places have another.
    """
    first = next(iter(places), "")
    scheme, colon, rest = first.partition(":")
    path = Path(rest if colon and len(scheme) > 1 else first).resolve()
    name = path.name if path.is_dir() else path.stem
    plain = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:LONGEST_NAME]
    return Path(f"{plain}-{what}" if plain else what)
