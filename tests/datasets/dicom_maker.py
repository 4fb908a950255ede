"""Small DICOM files with known content, written by pydicom itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SERIES = generate_uid(entropy_srcs=["a series for tests"])


def make_slice(path: Path, stored: np.ndarray, **elements: Any) -> Path:
    """A single-frame object; `elements` by keyword, None removes one."""
    data = FileDataset(str(path), {}, file_meta=FileMetaDataset(), preamble=b"\0" * 128)
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    signed, size = stored.dtype.kind == "i", 8 * stored.dtype.itemsize
    defaults = {
        "Modality": "CT",
        "PatientName": "Doe^Jane",
        "PatientID": "SECRET-42",
        "PatientBirthDate": "19700101",
        "InstitutionName": "St. Elsewhere",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": SERIES,
        "Rows": stored.shape[-2],
        "Columns": stored.shape[-1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": size,
        "BitsStored": size,
        "HighBit": size - 1,
        "PixelRepresentation": int(signed),
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "PixelSpacing": [0.5, 0.75],
    }
    for name, value in (defaults | elements).items():
        if value is not None:
            setattr(data, name, value)
    data.PixelData = stored.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, data, enforce_file_format=True)
    return path


def make_stack(folder: Path, positions: list[float], tilt: float = 0.0, reverse_numbers: bool = True) -> list[Path]:
    """Axial slices at these z positions, instance numbers running the other way, sheared by `tilt` mm a mm."""
    paths = []
    for k, z in enumerate(positions):
        number = len(positions) - k if reverse_numbers else k
        stored = np.full((8, 8), k, np.int16)
        paths.append(
            make_slice(
                folder / f"{(7 * k) % 11:02d}-{k}.dcm",
                stored,
                InstanceNumber=number,
                ImagePositionPatient=[0.0, tilt * z, z],
                ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            )
        )
    return paths
