"""DICOM secondary capture (PS3.3 A.8.4): the picture with its map, and its score burned in: for archives that show no more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .dicom import Source, equipment, write_objects
from .exported import Export, Exported

SMALLEST = 256  # pixels; smaller pictures are enlarged so that the text can be read


def write(exported: Exported, path: Path) -> list[str]:
    """Write one secondary capture per item with a map; the names and reasons of the others."""
    return write_objects(exported, path, _capture, "no map was kept of it")


def _capture(exported: Exported, of: Sequence[Source], number: int) -> Any | None:
    import highdicom as hd

    from oddpixel.forensics.runs.heat_map import overlay, read_evidence

    (source,) = of
    row = source.row
    if row.map is None:
        return None
    heat, picture = read_evidence(exported.run, row.map)
    which = "" if source.frame is None else f", frame {source.frame + 1}"
    shown = _with_text(overlay(heat, picture, exported.threshold), f"odd: p = {row.p_value:.3g}{which}")
    capture = hd.sc.SCImage.from_ref_dataset(
        ref_dataset=source.data,
        pixel_array=shown,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "P"),
        series_description="OddPixel: maps, not for diagnosis",
        **equipment(exported, of, "sc", number, 9003),
    )
    if "Laterality" not in capture:
        capture.Laterality = ""  # type 2C (PS3.3 C.7.3.1): empty where it is not known
    capture.SourceImageSequence = [_reference(source)]
    return capture


def _reference(source: Source) -> Any:
    """To the image, and the frame, that is shown."""
    from pydicom.dataset import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = source.data.SOPClassUID, source.data.SOPInstanceUID
    if source.frame is not None:
        item.ReferencedFrameNumber = source.frame + 1
    return item


def _with_text(picture: np.ndarray, caption: str) -> np.ndarray:
    import cv2

    scale = max(-(-SMALLEST // min(picture.shape[:2])), 1)
    large = np.ascontiguousarray(picture.repeat(scale, 0).repeat(scale, 1))
    for line, text in enumerate((caption, "OddPixel - not for diagnosis")):
        size = large.shape[1] / 900 + 0.25
        place = (6, round((line + 1) * 34 * size) + 4)
        cv2.putText(large, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 4, cv2.LINE_AA)
        cv2.putText(large, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 1, cv2.LINE_AA)
    return large


EXPORT = Export("sc", "", "DICOM secondary captures with the map and the score burned in", write)
