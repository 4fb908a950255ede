"""One frame of an object as if it were an object by itself, and references to it that say which frame is meant.

Libraries that make results from a header want that of a single image, or functional groups; ultrasound films, angiographies and
doses have neither. So a frame's header is given to them flat, as that of a single-frame object, and what they made of it is
told afterwards which class and frame it came from.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np

from oddpixel.datasets.dicom_groups import PER_FRAME, SHARED, FunctionalGroups
from oddpixel.errors import NotExported

LEFT_OUT = ("NumberOfFrames", "FrameIncrementPointer", "PixelData", PER_FRAME, SHARED)
GROUPS = {
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness", "SpacingBetweenSlices"),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PlanePositionSequence": ("ImagePositionPatient",),
}
FARTHEST = 1e5  # mm; no scanner reaches a hundred metres
UNSQUARE = 1e-2  # how far row and column directions may be from being square and of length one
DERIVED = "DerivationImageSequence"


def alone(data: Any, index: int) -> Any:
    """The header of one frame as that of a single-frame object: without pixels, with its own position.

    Arguments:
        index: counted from 0.
    """
    from pydicom import Dataset
    from pydicom.uid import SecondaryCaptureImageStorage

    frame = Dataset()
    for element in data:
        if element.keyword not in LEFT_OUT:
            frame.add(copy(element))  # what is set below must not be set in the object
    groups = FunctionalGroups(data, int(data.NumberOfFrames))
    for sequence, keywords in GROUPS.items():
        of_frame = groups.item(index, sequence)
        for keyword in keywords:
            if of_frame.get(keyword) is not None:
                setattr(frame, keyword, of_frame.get(keyword))
    _move_to_offset(frame, groups, index)
    if frame.get("ImagePositionPatient") is None and "FrameOfReferenceUID" in frame:
        del frame.FrameOfReferenceUID  # without a position it says nothing of where the frame lies
    frame.SOPClassUID = SecondaryCaptureImageStorage
    return frame


def check_place(frame: Any) -> None:
    """Check that a position and an orientation are ones. Raises: NotExported."""
    position, cosines = frame.get("ImagePositionPatient"), frame.get("ImageOrientationPatient")
    if position is not None:
        values = np.asarray(position, float).ravel()
        if len(values) != 3 or not (np.abs(values) < FARTHEST).all():
            raise NotExported("states a position that is none (ImagePositionPatient)")
    if cosines is not None:
        values = np.asarray(cosines, float).ravel()
        directions = values.reshape(2, 3) if len(values) == 6 else np.zeros((2, 3))
        if not np.allclose(directions @ directions.T, np.eye(2), atol=UNSQUARE):
            raise NotExported("states an orientation that is none (ImageOrientationPatient)")


def refer_to_frame(result: Any, data: Any, index: int) -> None:
    """Make all references of a result, made from `alone(data, index)`, name the object's class, and the frame where derived."""
    for element in result:
        if element.VR == "SQ":
            for item in element.value:
                if item.get("ReferencedSOPInstanceUID") == data.SOPInstanceUID:
                    item.ReferencedSOPClassUID = data.SOPClassUID
                if element.keyword == DERIVED:
                    for source in item.get("SourceImageSequence") or ():
                        source.ReferencedFrameNumber = index + 1
                refer_to_frame(item, data, index)


def _move_to_offset(frame: Any, groups: FunctionalGroups, index: int) -> None:
    """A dose states the first frame's position, and the others' distances from it along the normal (PS3.3 C.8.8.3.2)."""
    position, cosines = frame.get("ImagePositionPatient"), frame.get("ImageOrientationPatient")
    if position is None or cosines is None or (offsets := groups.offsets()) is None:
        return
    rows, columns = np.asarray(cosines, float).reshape(2, 3)
    moved = np.asarray(position, float) + (offsets[index] - offsets[0]) * np.cross(rows, columns)
    frame.ImagePositionPatient = [round(float(value), 6) for value in moved]
