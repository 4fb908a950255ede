"""What is exchangeable: where the group of an image comes from.

folder   the folder it lies in          csv     the manifest's column `group`
dicom    the patient (a keyed hash)     file    the file itself
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from oddpixel.counting import counted
from oddpixel.datasets.entry import Entry
from oddpixel.datasets.source import FileSource
from oddpixel.errors import MissingGroup, UsageError

REMEDY = "groups are to come from the patient in DICOM headers; use --group-from folder or csv"
WAYS = ("folder", "csv", "dicom", "file")


def grouped(source: FileSource, way: str | None) -> FileSource:
    """The same source with groups from there; as the source has them where `way` is None. Raises: UsageError."""
    if way is None or not source.entries:
        return source
    if way not in WAYS:
        raise UsageError(f"groups come from {', '.join(WAYS)}; got {way!r}")
    if way == "csv":
        if lacking := [entry.name for entry in source.entries if entry.group is None]:
            raise UsageError(
                f"{lacking[0]} has no group; give a CSV or Parquet manifest with the columns path and group"
            )
        return source
    if way == "dicom":
        return _by_patient(source)
    return replace(source, entries=tuple(replace(entry, group=_group(entry, way)) for entry in source.entries))


def _by_patient(source: FileSource) -> FileSource:
    """A file that names no patient becomes an error row. Raises: UsageError where none names one."""
    facts = source.reader.facts(source.entries)
    entries = [
        entry
        if _is_dicom(each)
        else replace(entry, error=MissingGroup(f"no DICOM file, so it names no patient: {REMEDY}"))
        for entry, each in zip(source.entries, facts, strict=True)
    ]
    if all(isinstance(entry.error, MissingGroup) for entry in entries):
        raise UsageError(f"{counted(len(entries), 'file')}, none of them DICOM, so none names a patient: {REMEDY}")
    return replace(source, entries=tuple(entries))


def _group(entry: Entry, way: str) -> str:
    return entry.name if way == "file" else str(PurePosixPath(entry.name).parent)


def _is_dicom(facts: object) -> bool:
    header = getattr(facts, "header", None)
    return header is None or header.format == "DICOM"  # unreadable files become rows with their error
