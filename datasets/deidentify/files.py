"""Files in, files out: named by hashes, each whole or not at all, with a report that holds no value of any of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oddpixel.border import border
from oddpixel.datasets.entry import Entry
from oddpixel.datasets.limits import Limits
from oddpixel.errors import NotDeidentified, OddPixelError, describe

from .profile import CLEAN_PIXELS, Profile
from .pseudonyms import Pseudonyms
from .sandboxed import Deidentifier
from .transform import Text


@dataclass(frozen=True)
class Deidentified:
    """One file.

    Arguments:
        item: as the caller named it: it may itself name somebody, and does not go into the report.
        path: what was written, below the folder; None with an error.
        masked: places in the pixels.
    """

    item: str
    path: str | None = None
    actions: dict[str, int] | None = None
    elements: dict[str, list[str]] | None = None
    named: list[str] | None = None
    masked: int = 0
    error: dict[str, Any] | None = None


def deidentify_files(
    entries: list[Entry], out: Path, profile: Profile, pseudonyms: Pseudonyms, text: Text = "mask"
) -> Iterator[Deidentified]:
    """Each file de-identified into `PATIENT/STUDY/OBJECT.dcm` below a folder; one that fails is left out, and says why."""
    with closing(Deidentifier(Limits(), profile, pseudonyms, text)) as worker:

        def one(entry: Entry) -> Deidentified:
            return _one(entry, out, worker)

        def failed(entry: Entry, error: OddPixelError) -> Deidentified:
            return Deidentified(entry.name, error=describe(error))

        yield from border(entries, one, failed)


def _one(entry: Entry, out: Path, worker: Deidentifier) -> Deidentified:
    with entry.open(worker.limits) as file:
        done, content = worker.deidentify(file)
    patient, study, instance = done.names
    path = out / patient / (study or "study") / f"{instance or 'object'}.dcm"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    try:
        temporary.write_bytes(content)
        if path.exists() and path.read_bytes() != content:
            raise NotDeidentified(
                "another file of the same SOP Instance UID, or the same one by other options, has been written already; "
                "name another folder with -o"
            )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return Deidentified(entry.name, str(path.relative_to(out)), done.actions, done.elements, done.named, done.masked)


def report(done: list[Deidentified], profile: Profile, text: Text) -> str:
    """What was done, as JSON; failed files by their number, since their names may name somebody."""
    files = [
        {"number": number} | vars(each) | {"item": None, "error": _told(each.error)}
        for number, each in enumerate(done, start=1)
    ]
    codes = profile.codes if text == "leave" else [*profile.codes, CLEAN_PIXELS]
    said = {"profile": codes, "text": text, "written": sum(each.error is None for each in done), "files": files}
    return json.dumps(said, indent=1)


def _told(error: dict[str, Any] | None) -> dict[str, Any] | None:
    """An error without what libraries put into their messages: values."""
    is_ours = error is not None and error["type"] == NotDeidentified.__name__
    return error if error is None or is_ours else {"type": error["type"]}
