"""What in a DICOM file identifies a person: read only when somebody asks, and then the log says who asked. The header is
parsed in the decoders' sandbox: a deflated one of 1 MB took 2.4 GB of the server before.

The elements are those of PS3.15 table E.1-1 that name people, places and numbers of records.
"""

from __future__ import annotations

from contextlib import closing

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


def identifiers(run: OpenRun, item: str, author: str) -> dict[str, str]:
    """The identifying DICOM attributes of an item, by keyword. Noted in the log before anything is returned.

    Raises: UnreadableInput, RunError.
    """
    row = run.row(item)
    opened = run.originals.files.open(row)
    run.verdicts.note_action(run.key, item, "identifiers shown", author=author)
    with opened as file, closing(run.originals.files.reader.decoder()) as decoder:
        return decoder.header_texts(file, KEYWORDS)
