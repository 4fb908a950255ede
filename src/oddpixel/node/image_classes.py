"""The storage classes that hold images (PS3.4 B.5), as far as pynetdicom knows them: reports and segmentations are none."""

from __future__ import annotations

from functools import cache


@cache
def image_classes() -> tuple[str, ...]:
    """Their UIDs."""
    from pydicom.uid import UID
    from pynetdicom import AllStoragePresentationContexts

    uids = [UID(str(context.abstract_syntax)) for context in AllStoragePresentationContexts]
    return tuple(str(uid) for uid in uids if "Image Storage" in uid.name)
