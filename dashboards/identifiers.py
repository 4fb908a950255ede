"""What in a DICOM file identifies a person: read only when somebody asks, and then the log says who asked.

The elements are those of PS3.15 table E.1-1 that name people, places and numbers of records.
"""

from __future__ import annotations

import warnings
from typing import Any

from oddpixel.errors import CorruptFile

from .library import OpenRun

KEYWORDS = (
    *(
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "OtherPatientIDs",
        "PatientBirthDate",
        "PatientSex",
        "PatientAge",
    ),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "SeriesDate", "AcquisitionDate", "ContentDate"),
    *("ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName", "InstitutionName", "InstitutionAddress"),
    *("StationName", "DeviceSerialNumber", "StudyDescription", "SeriesDescription", "PatientComments"),
    *("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"),
)
LONGEST = 300


def identifiers(run: OpenRun, item: str, author: str) -> dict[str, str]:
    """By keyword. Noted in the log before anything is returned.

    Raises: UnreadableInput, RunError.
    """
    import pydicom

    row = run.row(item)
    opened = run.originals.files.open(row)
    run.verdicts.note_action(run.key, item, "identifiers shown", author=author)
    with opened as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            data = pydicom.dcmread(file, stop_before_pixels=True, force=True)
            return {name: _text(data.get(name)) for name in KEYWORDS if data.get(name) not in (None, "")}
        except Exception as error:  # of a hostile file anything may come
            raise CorruptFile(f"its header cannot be read: {type(error).__name__}") from error


def _text(value: Any) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in str(value))[:LONGEST]
