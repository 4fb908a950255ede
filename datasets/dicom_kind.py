"""The kind of a DICOM image: of the patient, or of a screen (PS3.3 A.8, C.7.6.1.1.2, C.8.6.1).

A name may be burned into pictures of a screen. They are read like all others, but nothing is drawn of them.
"""

from __future__ import annotations

from typing import Any

# Modalities known for text in their pixels, a name among it, unless the file says NO (PS3.15 E.3.1).
SCREEN_MODALITIES = ("US", "IVUS", "SC", "XC", "OT", "ES", "GM")
PROJECTIONS = {"LOCALIZER", "SCOUT", "TOPOGRAM", "SCANOGRAM"}  # values of ImageType
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # and those below it (PS3.4 B.5)
SCREEN_WORDS = ("SCREEN SAVE", "SCREENSAVE", "SCREEN CAPTURE", "SCREENSHOT", "DOSE REPORT", "DOSE INFO")


def may_show_text(dataset: Any) -> bool:
    """Whether text may be burned into the pixels: captures, and modalities known for it unless the file denies it."""
    declared = str(dataset.get("BurnedInAnnotation", "") or "").strip().upper()
    is_known_for_it = str(dataset.get("Modality", "")) in SCREEN_MODALITIES and declared != "NO"
    return declared == "YES" or is_known_for_it or is_capture(dataset)


def is_original(dataset: Any) -> bool:
    """Whether the image is neither derived nor secondary, as far as the file says."""
    words = [word.strip().upper() for word in _image_type(dataset)[:2]]
    return not ({"DERIVED", "SECONDARY"} & {*words}) and not is_capture(dataset)


def why_not_hounsfield(dataset: Any, rescale: Any, frame_type: Any) -> str | None:
    """Why values are not in HU; None for an original CT slice with both rescale tags (C.8.2.1.1).

    Arguments:
        rescale: what holds the rescale tags.
        frame_type: what holds the frame's own type, else the data set.
    """
    declared = str(rescale.get("RescaleType", "") or "").strip().upper()
    words = [word.strip().upper() for word in _words(frame_type.get("FrameType") or dataset.get("ImageType"))]
    if any(rescale.get(name) is None for name in ("RescaleSlope", "RescaleIntercept")):
        return "it has no rescale slope and intercept"
    if dataset.get("ModalityLUTSequence"):
        return "its values come from a modality LUT"
    if declared not in ("", "HU"):
        return f"its rescale type is {declared}"
    if not is_original(dataset) or {"DERIVED", "SECONDARY"} & {*words[:2]}:
        return "it is derived or secondary, not an original"
    return "it is a projection, not a slice" if PROJECTIONS & {*words[2:]} else None


def is_capture(dataset: Any) -> bool:
    """Whether this is a picture of a screen or of a film, not of the patient."""
    file_meta = getattr(dataset, "file_meta", None) or {}
    kind = str(dataset.get("SOPClassUID") or file_meta.get("MediaStorageSOPClassUID") or "")
    words = [word.strip().upper().replace("_", " ") for word in _image_type(dataset)[2:]]
    return (
        kind == SECONDARY_CAPTURE
        or kind.startswith(f"{SECONDARY_CAPTURE}.")
        or bool(dataset.get("ConversionType"))
        or any(word.startswith(SCREEN_WORDS) for word in words)
    )


def _image_type(dataset: Any) -> list[str]:
    return _words(dataset.get("ImageType"))


def _words(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(word) for word in value or []]
