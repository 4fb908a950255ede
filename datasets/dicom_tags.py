"""DICOM elements that cannot be read are left out and named, so that one bad value does not cost the image (PS3.5 6.2).

Real files hold decimal strings with commas, words where a number belongs, and values of the wrong type.
"""

from __future__ import annotations

from typing import Any

from .text import technical_text

NUMBERS = ("DS", "IS")
SEQUENCES_READ = (
    "PerFrameFunctionalGroupsSequence",
    "SharedFunctionalGroupsSequence",
    "PixelMeasuresSequence",
    "PixelValueTransformationSequence",
    "FrameVOILUTSequence",
    "PlaneOrientationSequence",
    "PlanePositionSequence",
    "CTImageFrameTypeSequence",
    "ModalityLUTSequence",
    "VOILUTSequence",
    "OpticalPathSequence",
    "RealWorldValueMappingSequence",
)
PIXELS = 0x7FE0
REQUIRED = ("Rows", "Columns", "BitsAllocated", "SamplesPerPixel", "PhotometricInterpretation")


def without_unreadable(dataset: Any) -> list[str]:
    """Remove elements that cannot be read from the data set; returns their keywords, each once."""
    left_out: list[str] = []
    for tag in list(dataset.keys()):
        if tag.group == PIXELS:
            continue
        keyword = _keyword(tag)
        try:
            element = dataset[tag]
            is_readable = _is_readable(element)
        except Exception:  # pydicom raises what it likes on a malformed value
            is_readable = False
        if not is_readable and keyword not in REQUIRED:
            del dataset[tag]
            left_out.append(keyword)
        elif is_readable and keyword in SEQUENCES_READ:
            left_out += [name for item in element.value or () for name in without_unreadable(item)]
    return list(dict.fromkeys(left_out))


def note_of(left_out: list[str]) -> list[str]:
    """A note that names the elements left out; empty where none were."""
    return [f"tags that cannot be read are left out: {', '.join(left_out)}"] if left_out else []


def _is_readable(element: Any) -> bool:
    if element.VR not in NUMBERS:
        return True
    value = element.value
    values = [value] if isinstance(value, str | int | float) or value is None else list(value)
    return all(_is_number(number) for number in values)


def _is_number(value: Any) -> bool:
    if value in (None, ""):
        return True
    return not isinstance(value, str)


def _keyword(tag: Any) -> str:
    from pydicom.datadict import keyword_for_tag

    return keyword_for_tag(tag) or str(technical_text(str(tag)))
