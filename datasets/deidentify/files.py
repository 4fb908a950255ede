"""Files in, files out: named by hashes, each whole or not at all, with a report that holds no value of any of them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from oddpixel.border import border
from oddpixel.datasets.entry import Entry
from oddpixel.datasets.limits import Limits
from oddpixel.errors import NotDeidentified, OddPixelError, describe

from .burned_in import clean_pixels
from .header import deidentify, with_clean_pixels
from .profile import Profile
from .pseudonyms import Pseudonyms

Text = Literal["mask", "refuse", "leave"]


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

    def one(entry: Entry) -> Deidentified:
        return _one(entry, out, profile, pseudonyms, text)

    def failed(entry: Entry, error: OddPixelError) -> Deidentified:
        return Deidentified(entry.name, error=describe(error))

    yield from border(entries, one, failed)


def _one(entry: Entry, out: Path, profile: Profile, pseudonyms: Pseudonyms, text: Text) -> Deidentified:
    import pydicom

    with entry.open(Limits()) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about oddities of the original
        try:
            data = pydicom.dcmread(file)
            data.walk(lambda *_: None)  # reads on to the end
        except Exception as error:  # of a hostile file anything may come
            raise NotDeidentified("is not a DICOM file, or a damaged one") from error
        if not str(data.get("SOPInstanceUID", "") or ""):
            raise NotDeidentified("it has no SOP Instance UID, by which it would be known")
        done = deidentify(data, profile, pseudonyms)
        masked = 0 if text == "leave" else clean_pixels(data, mask=text == "mask")
        if text != "leave" and "PixelData" in data:
            with_clean_pixels(data, profile)
        names = (
            data.PatientID,
            *(str(data.get(each, "")).rpartition(".")[2] for each in ("StudyInstanceUID", "SOPInstanceUID")),
        )
        path = out / names[0] / (names[1] or "study") / f"{names[2] or 'object'}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".part")
        try:
            data.save_as(temporary, enforce_file_format=True)
            if path.exists() and path.read_bytes() != temporary.read_bytes():
                raise NotDeidentified("another file of the same SOP Instance UID has been written already")
            temporary.replace(path)
        except (ValueError, TypeError, AttributeError) as error:
            raise NotDeidentified(f"cannot be written as a DICOM file ({type(error).__name__})") from error
        finally:
            temporary.unlink(missing_ok=True)
    elements = {str(action): sorted(keywords) for action, keywords in done.elements.items()}
    actions = {str(action): count for action, count in done.actions.items()}
    return Deidentified(entry.name, str(path.relative_to(out)), actions, elements, sorted(done.named), masked)


def report(done: list[Deidentified], profile: Profile, text: Text) -> str:
    """What was done, as JSON; failed files by their number, since their names may name somebody."""
    files = [
        {"number": number} | vars(each) | {"item": None, "error": _told(each.error)}
        for number, each in enumerate(done, start=1)
    ]
    said = {"profile": profile.codes, "text": text, "written": sum(each.error is None for each in done), "files": files}
    return json.dumps(said, indent=1)


def _told(error: dict[str, Any] | None) -> dict[str, Any] | None:
    """An error without what libraries put into their messages: values."""
    is_ours = error is not None and error["type"] == NotDeidentified.__name__
    return error if error is None or is_ours else {"type": error["type"]}
