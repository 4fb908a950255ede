"""One data set de-identified: elements by the profile, in sequences as outside of them, and then a look for what remains."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from oddpixel import __version__
from oddpixel.errors import NotDeidentified

from .profile import CLEAN_PIXELS, MEANINGS, Action, Profile
from .pseudonyms import Pseudonyms, moved

TEXTS = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT", "UR", "UN"))
NAMING = (
    "PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName",
    "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName", "NameOfPhysiciansReadingStudy",
    "AccessionNumber", "InstitutionName", "PatientAddress", "PatientTelephoneNumbers", "IssuerOfPatientID",
)  # fmt: skip
SHORTEST, FOUND_INSIDE = 2, 4  # characters of a word that is looked for, and of one that is looked for within others
WORD = re.compile(r"[^\W_]+")
OURS = frozenset(("PatientName", "PatientID", "DeidentificationMethod", "CodeMeaning"))  # written here
DUMMIES: dict[str, Any] = {
    "AS": "000Y", "DA": "19000101", "DT": "19000101000000", "TM": "000000", "DS": "0", "IS": "0", "FD": 0.0, "FL": 0.0,
    "SS": 0, "US": 0, "SL": 0, "UL": 0, "SV": 0, "UV": 0, "UR": "http://removed.invalid", "CS": "REMOVED",
}  # fmt: skip
BINARY = frozenset(("OB", "OW", "OD", "OF", "OL", "OV", "UN"))


@dataclass
class Done:
    """What was done to a data set, without a single value.

    Arguments:
        actions: how many elements were removed, emptied, ...
        elements: the keywords, by action.
        named: keywords of texts that named somebody, and were emptied for that.
    """

    actions: Counter[str] = field(default_factory=Counter)
    elements: dict[str, set[str]] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)

    def note(self, action: Action, keyword: str) -> None:
        """Count an element."""
        self.actions[action] += 1
        self.elements.setdefault(action, set()).add(keyword or "private or unknown")


def deidentify(data: Any, profile: Profile, pseudonyms: Pseudonyms) -> Done:
    """De-identify a data set in place. Raises: NotDeidentified where something that names somebody remains."""
    words = naming_words(data)
    identity = _text(data, "PatientID") or _text(data, "PatientName") or _text(data, "StudyInstanceUID")
    done, days = Done(), pseudonyms.days(identity)
    _clear_high_bits(data)
    _walk(data, profile, pseudonyms, days, words, done)
    data.PatientID = data.PatientName = pseudonyms.patient(identity)
    if hasattr(data, "file_meta"):
        _clean_meta(data, pseudonyms)
    data.preamble = bytes(128)
    data.PatientIdentityRemoved = "YES"
    data.LongitudinalTemporalInformationModified = "MODIFIED" if profile.move_dates else "REMOVED"
    sign(data, profile.codes)
    if remaining := sorted({element.keyword for element in _strings(data) if names(element, words)}):
        raise NotDeidentified(f"{', '.join(remaining)} would still name somebody; the file was not written")
    return done


def sign(data: Any, codes: list[str]) -> None:
    """Say in the data set by what it was de-identified."""
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence as Items

    method = []
    for code in codes:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "DCM", MEANINGS[code]
        method.append(item)
    data.DeidentificationMethod = f"OddPixel {__version__}, DICOM PS3.15 E"
    data.DeidentificationMethodCodeSequence = Items(method)


def with_clean_pixels(data: Any, profile: Profile) -> None:
    """Say also that the pixels were looked at, and hold no text any more."""
    data.BurnedInAnnotation = "NO"
    sign(data, [*profile.codes, CLEAN_PIXELS])


def naming_words(data: Any) -> frozenset[str]:
    """The words, in lower case, by which a data set names people and places."""
    found = set()
    for element in data.iterall():
        if element.keyword in NAMING or element.VR == "PN":
            found |= {word.lower() for word in WORD.findall(_text_of(element)) if len(word) >= SHORTEST}
    return frozenset(found)


def names(element: Any, words: frozenset[str]) -> bool:
    """Whether an element's text holds one of the words: long ones anywhere, short ones as words of their own."""
    text = _text_of(element).lower()
    return any(word in text for word in words if len(word) >= FOUND_INSIDE) or not words.isdisjoint(WORD.findall(text))


def _text_of(element: Any) -> str:
    """The value of a text, or of what may be one, as text."""
    value = element.value
    if isinstance(value, bytes):
        return value.decode("latin-1")
    is_one = isinstance(value, str) or not isinstance(value, Sequence)
    return str(value or "") if is_one else " ".join(map(str, value))


def _walk(data: Any, profile: Profile, pseudonyms: Pseudonyms, days: int, words: frozenset[str], done: Done) -> None:
    for element in list(data):
        action = profile.action(int(element.tag), element.VR, element.keyword)
        if element.VR == "SQ" and action in (Action.KEEP, Action.MAP, Action.DUMMY):
            for item in element.value:
                _walk(item, profile, pseudonyms, days, words, done)
            continue
        if action is Action.KEEP and element.VR in TEXTS and names(element, words):
            element.value = "" if element.VR not in BINARY else b""
            done.named.add(element.keyword)
        elif action is Action.REMOVE:
            del data[element.tag]
        elif action is Action.EMPTY:
            element.value = None if element.VR not in BINARY else b""
        elif action is Action.DUMMY:
            element.value = _dummy(element, pseudonyms)
        elif action is Action.MAP and element.VR == "UI":
            element.value = _each(element.value, pseudonyms.uid)
        elif action is Action.MAP:
            element.value = None
        elif action is Action.MOVE:
            element.value = _each(element.value, lambda value: moved(value, days))
        if action is not Action.KEEP:
            done.note(action, element.keyword)


def _dummy(element: Any, pseudonyms: Pseudonyms) -> Any:
    if element.VR == "UI":
        return _each(element.value, pseudonyms.uid)
    if element.VR in BINARY:
        return b"\0\0"
    return DUMMIES.get(element.VR, "removed")


def _each(value: Any, change: Any) -> Any:
    if value is None or value == "":
        return value
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        return change(str(value))
    return [change(str(each)) for each in value]


def _strings(data: Any) -> Iterator[Any]:
    for element in data.iterall():
        if element.VR in TEXTS and element.keyword not in OURS:
            yield element


def _clear_high_bits(data: Any) -> None:
    """Take away overlays of old objects, which lie in bits of the pixels that no value uses. Raises: NotDeidentified."""
    places = [int(each.value or 0) for each in data if each.tag.group >> 8 == 0x60 and each.tag.elem == 0x0102]
    if not any(places) or "PixelData" not in data:
        return
    if data.file_meta.TransferSyntaxUID.is_compressed:
        raise NotDeidentified("overlays in the bits of compressed pixels cannot be taken away")
    bits, stored, high = (int(data[name].value) for name in ("BitsAllocated", "BitsStored", "HighBit"))
    mask = ((1 << stored) - 1) << (high + 1 - stored)
    pixels = np.frombuffer(data.PixelData, np.dtype(f"<u{bits // 8}"))
    data.PixelData = (pixels & pixels.dtype.type(mask)).tobytes()


def _clean_meta(data: Any, pseudonyms: Pseudonyms) -> None:
    """A new one, of what a reader needs: pydicom adds who wrote it."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    meta = FileMetaDataset()
    for name in ("MediaStorageSOPClassUID", "TransferSyntaxUID"):
        if name in data.file_meta:
            setattr(meta, name, data.file_meta[name].value)
    if "MediaStorageSOPInstanceUID" in data.file_meta:
        meta.MediaStorageSOPInstanceUID = UID(pseudonyms.uid(str(data.file_meta.MediaStorageSOPInstanceUID)))
    data.file_meta = meta


def _text(data: Any, name: str) -> str:
    return str(data.get(name, "") or "")
