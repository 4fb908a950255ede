"""The storage classes that hold images (PS3.4 B.5), as far as pynetdicom knows them: reports and segmentations are none."""

from __future__ import annotations

from functools import cache
from io import BufferedIOBase

from oddpixel.forensics.runs.export.dicom import MANUFACTURER


@cache
def image_classes() -> tuple[str, ...]:
    """Their UIDs."""
    from pydicom.uid import UID
    from pynetdicom import AllStoragePresentationContexts

    uids = [UID(str(context.abstract_syntax)) for context in AllStoragePresentationContexts]
    return tuple(str(uid) for uid in uids if "Image Storage" in uid.name)


def is_ours(file: BufferedIOBase) -> bool:
    """Whether an object is a result of OddPixel's: a capture is an image by its class, but no question."""
    from pydicom import dcmread

    try:
        head = dcmread(file, stop_before_pixels=True, force=True, specific_tags=["Manufacturer"])
        return str(head.get("Manufacturer", "")) == MANUFACTURER
    except Exception:  # of what is no data set anything may come; others will say what it is
        return False
