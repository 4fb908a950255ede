"""What kind of picture a DICOM object is: of the patient, or of a screen (PS3.3 A.8, C.7.6.1.1.2, C.8.6.1).

A name may be burned into pictures of a screen. They are read like all others, but nothing is drawn of them.
"""

from __future__ import annotations

from typing import Any

# Modalities known for text in their pixels, a name among it, unless the file says NO (PS3.15 E.3.1).
SCREEN_MODALITIES = ("US", "IVUS", "SC", "XC", "OT", "ES", "GM")
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"  # and those below it (PS3.4 B.5)
SCREEN_WORDS = ("SCREEN SAVE", "SCREENSAVE", "SCREEN CAPTURE", "SCREENSHOT", "DOSE REPORT", "DOSE INFO")


def may_show_text(dataset: Any) -> bool:
    """Secondary captures, saved screens, and modalities known for text where the file does not deny it."""
    declared = str(dataset.get("BurnedInAnnotation", "") or "").strip().upper()
    is_known_for_it = str(dataset.get("Modality", "")) in SCREEN_MODALITIES and declared != "NO"
    return declared == "YES" or is_known_for_it or is_capture(dataset)


def is_original(dataset: Any) -> bool:
    """Neither derived nor secondary, as far as the file says."""
    words = [word.strip().upper() for word in _image_type(dataset)[:2]]
    return not ({"DERIVED", "SECONDARY"} & {*words}) and not is_capture(dataset)


def is_capture(dataset: Any) -> bool:
    """A picture of a screen or of a film, not of the patient."""
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
    value = dataset.get("ImageType") or []
    return [value] if isinstance(value, str) else [str(word) for word in value]
