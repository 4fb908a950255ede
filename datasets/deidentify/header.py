"""One data set de-identified: elements by the profile, in sequences as outside of them, and then a look for what remains.

An element is what the standard's dictionary says it is: one that the dictionary does not know, or that is declared as another
type, goes, since it could hold anything; a date, time or number that is not written as one is emptied.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from oddpixel import __version__
from oddpixel.errors import NotDeidentified

from .naming import CODE, FREE, NUMBERS, Words, is_identifier, names, naming_words, tells, values_of
from .profile import CLEAN_PIXELS, MEANINGS, Action, Profile
from .pseudonyms import Pseudonyms, moved

TEXTS = FREE | {"AE", "CS"}
BINARY = frozenset(("OB", "OW", "OD", "OF", "OL", "OV", "UN"))
FORMS = {
    "DA": r"\d{8}", "DT": r"\d{4,14}(\.\d{1,6})?([+-]\d{4})?", "TM": r"\d{2}(:?\d{2}){0,2}(\.\d{1,6})?", "AS": r"\d{3}[DWMY]",
    "IS": r"[+-]?\d{1,12}", "DS": r"[+-]?[\d.]+([eE][+-]?\d+)?",
}  # fmt: skip
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# As keywords end: measurements and tables; UIDs of kinds and schemes, which name no object.
BULK = ("LookupTableData", "LUTData", "WaveformData", "CoordinatesData", "IndexList", "SpectroscopyData")
FEWEST_OF_BULK = 128  # bytes, or numbers
CLASSES = ("SOPClassUID", "TransferSyntaxUID", "CodingSchemeUID")
# In the names of sequences whose codes are of people and places.
OF_WHOM = ("Institution", "Person", "Department", "Physician", "Operator", "Organization")
PUBLISHED = ("DCM", "SCT", "SRT", "SNM3", "LN", "UCUM", "RADLEX", "FMA")  # coding schemes that anybody can read
REAL = frozenset(("FD", "FL"))
OURS = frozenset(("PatientName", "PatientID", "DeidentificationMethod", "CodeMeaning"))  # written here
DUMMIES: dict[str, Any] = {
    "AS": "000Y", "DA": "19000101", "DT": "19000101000000", "TM": "000000", "DS": "0", "IS": "0", "FD": 0.0, "FL": 0.0,
    "SS": 0, "US": 0, "SL": 0, "UL": 0, "SV": 0, "UV": 0, "UR": "http://removed.invalid", "CS": "REMOVED",
}  # fmt: skip
REPLACED = {"removed", DUMMIES["CS"], DUMMIES["UR"], ""}


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
    words = naming_words(data, profile.kept)
    identity = _identity(data)
    done, days = Done(), pseudonyms.days(identity)
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


def _identity(data: Any) -> str:
    """Whose the data set is: an ID together with who issued it, since two hospitals count alike."""
    patient, issuer = _text(data, "PatientID"), _text(data, "IssuerOfPatientID")
    if patient:
        return f"{patient}\0{issuer}" if issuer else patient
    return _text(data, "PatientName") or _text(data, "StudyInstanceUID")


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


def _walk(
    data: Any,
    profile: Profile,
    pseudonyms: Pseudonyms,
    days: int,
    words: Words,
    done: Done,
    texts: bool = True,
) -> None:
    """Arguments:
    texts: whether free texts may stay, in a sequence that the profile does not replace.
    """
    is_local = data.get("CodingSchemeDesignator") not in PUBLISHED
    for element in list(data):
        action = _action(element, profile)
        if element.keyword in profile.kept and element.VR == "UI":
            continue
        if element.VR == "SQ" and action in (Action.KEEP, Action.MAP, Action.DUMMY):
            is_whose = action is Action.DUMMY and any(word in element.keyword for word in OF_WHOM)
            for item in element.value:
                if is_whose and element.keyword.endswith("CodeSequence"):
                    item.CodingSchemeDesignator = "removed"  # whatever scheme it claims to be of
                _walk(item, profile, pseudonyms, days, words, done, texts and action is not Action.DUMMY)
            continue
        if action is Action.KEEP:
            is_code = element.keyword in CODE and not is_local  # of a scheme that names nobody
            is_meaning = element.keyword == "CodeMeaning" and is_local
            action = _kept(element, words, done, texts=(texts or is_code) and not is_meaning)
        if action is Action.REMOVE:
            del data[element.tag]
        elif action is Action.EMPTY or (action is Action.MAP and element.VR != "UI"):
            element.value = b"" if element.VR in BINARY else None
        elif action is Action.DUMMY:
            element.value = _dummy(element, pseudonyms)
            if element.keyword == "EncapsulatedDocument" and "EncapsulatedDocumentLength" in data:
                data.EncapsulatedDocumentLength = len(element.value)
        elif action is Action.MAP:
            element.value = _each(element.value, pseudonyms.uid)
        elif action is Action.MOVE:
            action = action if any(values_of(element)) and _is_formed(element) else Action.EMPTY
            element.value = _each(element.value, lambda value: moved(value, days)) if action is Action.MOVE else None
        if action is not Action.KEEP:
            done.note(action, element.keyword)


def _action(element: Any, profile: Profile) -> Action:
    """What the profile says of an element that is what the dictionary says it is; the others go."""
    from pydicom.datadict import dictionary_has_tag, dictionary_VR

    tag = int(element.tag)
    if not dictionary_has_tag(tag):
        return Action.REMOVE
    is_table = element.keyword.endswith(BULK) and element.VR in ("US", "SS", "OW")  # one for the other in older files
    if element.VR not in dictionary_VR(tag).split(" or ") and not is_table:
        return Action.REMOVE
    return profile.action(tag, element.VR, element.keyword)


def _kept(element: Any, words: Words, done: Done, *, texts: bool) -> Action:
    """What is done to an element that the profile keeps."""
    if _is_bulk(element):
        return Action.KEEP
    if element.VR in FORMS:
        return Action.KEEP if _is_formed(element) and not is_identifier(element, words) else Action.EMPTY
    if element.VR in NUMBERS | REAL and (names(element, words) or is_identifier(element, words)):
        done.named.add(element.keyword)
        return Action.EMPTY
    if element.VR == "UI":
        return Action.KEEP if element.keyword.endswith(CLASSES) or _is_registered(element) else Action.MAP
    if element.VR in (TEXTS | BINARY) and element.keyword not in PIXELS and tells(element, words):
        done.named.add(element.keyword)
        must_not_be_empty = element.VR == "CS" or element.keyword in CODE or not texts
        return Action.DUMMY if must_not_be_empty and element.VR in TEXTS else Action.EMPTY
    return Action.DUMMY if not texts and element.VR in FREE else Action.KEEP


def _is_bulk(element: Any) -> bool:
    """Whether these are measurements: in enough of them there are the bytes of every short name."""
    is_known = element.keyword.endswith(BULK) and element.VR in NUMBERS | BINARY
    return is_known and isinstance(element.value, Sequence) and len(element.value) >= FEWEST_OF_BULK


def _is_formed(element: Any) -> bool:
    """Whether dates, times and numbers are written as such."""
    values = [value.strip() for value in values_of(element)]
    return all(not value or re.fullmatch(FORMS[element.VR], value) for value in values)


def _is_registered(element: Any) -> bool:
    """Whether UIDs are ones of the standard, which name nobody."""
    from pydicom.uid import UID_dictionary

    return all(not value or value in UID_dictionary for value in values_of(element))


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
        is_dummy = set(values_of(element)) <= REPLACED if element.VR in TEXTS else False
        is_bulk = element.keyword in PIXELS or _is_bulk(element)
        if element.VR in (TEXTS | BINARY) and element.keyword not in OURS and not is_bulk and not is_dummy:
            yield element


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
    return str(data.get(name, "") or "").strip(" \0")
