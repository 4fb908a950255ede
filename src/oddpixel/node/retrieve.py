"""Studies from another node into folders: each appears whole or not at all, and one that fails does not end the others."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oddpixel.errors import OddPixelError, PeerError, UsageError, describe

from .arrivals import hashed
from .image_classes import is_ours
from .peers import Peer

SHOWN = 16  # characters of a study's name


@dataclass(frozen=True)
class Retrieved:
    """One study.

    Arguments:
        folder: that it is in; None where it was sent to another node.
        objects: that came; None where it failed, or was there already.
    """

    study: str
    folder: Path | None
    objects: int | None
    error: dict[str, Any] | None = None


def retrieve(peer: Peer, studies: Sequence[str], out: Path) -> Iterator[Retrieved]:
    """Each study in a folder of its own, which is named by a hash of its UID; those that are there are left alone."""
    out.mkdir(parents=True, exist_ok=True)
    for study in studies:
        folder = out / hashed(study)[:SHOWN]
        if folder.exists():
            yield Retrieved(study, folder, None)
            continue
        try:
            yield Retrieved(study, folder, _one(peer, study, folder))
        except (OddPixelError, OSError) as error:
            yield Retrieved(study, folder, None, describe(error))


def move(peer: Peer, studies: Sequence[str], title: str) -> Iterator[Retrieved]:
    """Each study sent by the peer to the node of that title. Raises: UsageError where the peer cannot."""
    for study in studies:
        try:
            if (count := peer.move(study, title)) == 0:
                raise PeerError("the peer has no image of this study")
            yield Retrieved(study, None, count)
        except PeerError as error:
            yield Retrieved(study, None, None, describe(error))


def _one(peer: Peer, study: str, folder: Path) -> int:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".oddpixel-") as temporary:
        coming = Path(temporary) / "study"
        coming.mkdir()
        count = 0

        def keep(content: bytes) -> None:
            nonlocal count
            if is_ours(io.BytesIO(content)):
                return
            count += 1
            (coming / f"{count:05d}.dcm").write_bytes(content)

        peer.retrieve(study, keep)
        if count == 0:
            raise PeerError("the peer has no image of this study")
        shutil.move(coming, folder)
    return count


def parsed_keys(given: Sequence[str]) -> dict[str, str]:
    """Search keys of options `KEYWORD=VALUE`. Raises: UsageError."""
    from pydicom.datadict import tag_for_keyword

    keys = {}
    for option in given:
        name, equals, value = option.partition("=")
        if not equals or tag_for_keyword(name) is None:
            raise UsageError(f"--find {option}: give KEYWORD=VALUE with a DICOM keyword, as in StudyDate=20260101-")
        keys[name] = value
    return keys
