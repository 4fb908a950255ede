"""What is exchangeable: where the group of an image comes from.

folder   the folder it lies in          csv     the manifest's column `group`
dicom    the patient (a keyed hash)     file    the file itself
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from oddpixel.counting import counted
from oddpixel.datasets.entry import Entry
from oddpixel.datasets.source import FileSource
from oddpixel.errors import MissingGroup, UsageError

REMEDY = "groups are to come from the patient in DICOM headers; use --group-from folder or csv"
WAYS = ("folder", "csv", "dicom", "file")
logger = logging.getLogger(__name__)


def way_of(detector: Mapping[str, Any], given: str | None) -> str | None:
    """Where groups come from: as given, or as those of the detector's normals, which is said.

    None where the source says it, as a manifest does.

    Arguments:
        detector: its record.
    """
    kept = detector.get("group_from")
    if given is not None:
        if kept not in (None, given):
            logger.warning(
                "groups come from %s, those of the detector's normals came from %s: the promise is about groups of that kind "
                "(--group-from %s)",
                *(given, kept, kept),
            )
        return given
    if kept is None or kept == "csv":
        return None
    logger.info("groups come from %s, as those of the detector's normals did (--group-from for others)", kept)
    return str(kept)


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
