"""One data set de-identified: elements by the profile, in sequences as outside of them, and then a look for what remains.

An element is what the standard's dictionary says it is: one that the dictionary does not know, or that is declared as another
type, goes, since it could hold anything; a date, time or number that is not written as one is emptied.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from oddpixel import __version__
from oddpixel.errors import NotDeidentified

from .dates_and_uids import forms_of, holds_date, holds_uid, uids_in
from .profile import CLEAN_PIXELS, MEANINGS, Action, Profile
from .pseudonyms import Pseudonyms, moved
from .vocabulary import TERMS

FREE = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))
TEXTS = FREE | {"AE", "CS"}
BINARY = frozenset(("OB", "OW", "OD", "OF", "OL", "OV", "UN"))
FORMS = {
    "DA": r"\d{8}", "DT": r"\d{4,14}(\.\d{1,6})?([+-]\d{4})?", "TM": r"\d{2}(:?\d{2}){0,2}(\.\d{1,6})?", "AS": r"\d{3}[DWMY]",
    "IS": r"[+-]?\d{1,12}", "DS": r"[+-]?[\d.]+([eE][+-]?\d+)?",
}  # fmt: skip
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
BULK = (
    "LookupTableData",
    "LUTData",
    "WaveformData",
    "CoordinatesData",
    "IndexList",
    "SpectroscopyData",
)  # as keywords end
FEWEST_OF_BULK = 128  # bytes, or numbers
CLASSES = ("SOPClassUID", "TransferSyntaxUID", "CodingSchemeUID")  # as keywords end: what they name is no object
OF_WHOM = (
    "Institution",
    "Person",
    "Department",
    "Physician",
    "Operator",
    "Organization",
)  # as sequences of codes are called
CODE = ("CodeValue", "LongCodeValue", "URNCodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning")
PUBLISHED = ("DCM", "SCT", "SRT", "SNM3", "LN", "UCUM", "RADLEX", "FMA")  # coding schemes that anybody can read
NAMING = (
    "PatientName", "PatientID", "OtherPatientIDs", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName",
    "ReferringPhysicianName", "PerformingPhysicianName", "OperatorsName", "NameOfPhysiciansReadingStudy",
    "AccessionNumber", "InstitutionName", "PatientAddress", "PatientTelephoneNumbers", "IssuerOfPatientID",
    "InstitutionAddress", "InstitutionalDepartmentName",
)  # fmt: skip
# By their long words alone: others are like "CT1".
ALSO_NAMING = ("AdmissionID", "StudyID", "StationName", "PatientBirthDate")
NUMBERING = (
    "PlacerOrderNumberImagingServiceRequest", "FillerOrderNumberImagingServiceRequest", "RequestedProcedureID",
    "PlacerOrderNumberImagingServiceRequestRetired", "FillerOrderNumberImagingServiceRequestRetired",
    "PlacerOrderNumberProcedure", "FillerOrderNumberProcedure", "ScheduledProcedureStepID", "PerformedProcedureStepID",
)  # fmt: skip # by their numbers alone: others are like "HEAD"
SHORTEST, FOUND_INSIDE = 2, 4  # characters of a word that is looked for, and of one that is looked for within others
FEWEST_BYTES = 4  # of a word that is looked for in bytes: in a megabyte of anything there are all shorter ones
OF_MANY = ("Manufacturer", "ManufacturerModelName", "Modality", "BodyPartExamined")  # what stations are called by, too
LONG_NUMBER = 5  # digits of a number that is compared with identifiers
REAL = frozenset(("FD", "FL"))
NUMBERS = frozenset(("US", "SS", "UL", "SL", "UV", "SV"))  # several of them may spell something
ENCODINGS = (
    "utf-8", "utf-16-le", "utf-16-be", "latin-1", "iso8859-2", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8",
    "iso8859-9", "cp1251", "koi8-r", "shift_jis", "euc_jp", "iso2022_jp", "euc_kr", "gb18030", "tis-620",
)  # fmt: skip
ESCAPES = re.compile(rb"\x1b[$()*+\-./][@-Z]|\x1b\$[()*+]?[@-Z]|\x1b\([A-Z]")
WORD = re.compile(r"[^\W_]+")
OURS = frozenset(("PatientName", "PatientID", "DeidentificationMethod", "CodeMeaning"))  # written here
DUMMIES: dict[str, Any] = {
    "AS": "000Y", "DA": "19000101", "DT": "19000101000000", "TM": "000000", "DS": "0", "IS": "0", "FD": 0.0, "FL": 0.0,
    "SS": 0, "US": 0, "SL": 0, "UL": 0, "SV": 0, "UV": 0, "UR": "http://removed.invalid", "CS": "REMOVED",
}  # fmt: skip
REPLACED = {"removed", DUMMIES["CS"], DUMMIES["UR"], ""}


@dataclass(frozen=True)
class Words:
    """What names somebody.

    Arguments:
        folded: without accents and case.
        encoded: as bytes, in every way in which such bytes may have been written.
        dates, uids: of the data set, which tell who and when it was as well.
    """

    folded: frozenset[str]
    encoded: frozenset[bytes]
    dates: frozenset[str] = frozenset()
    uids: frozenset[str] = frozenset()


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


def naming_words(data: Any, kept: Collection[str] = ()) -> Words:
    """The words by which a data set names people and places.

    Arguments:
        kept: keywords of elements that stay as they are: their words need not go elsewhere.
    """
    found: set[str] = set()
    written: set[str] = set()
    dates: set[str] = set()
    uids: set[str] = set()
    common = {word for name in OF_MANY for word in WORD.findall(str(data.get(name, "")).casefold())}
    for element in data.iterall():
        if element.keyword in kept:
            continue
        if element.VR in ("DA", "DT"):
            dates |= {value[:8] for value in WORD.findall(_as_written(element.value)) if len(value) >= 8}
        elif element.VR == "UI":
            uids |= uids_in(_as_written(element.value))
        elif element.keyword in NUMBERING:
            here = {word for word in WORD.findall(_text_of(element)) if len(word) >= LONG_NUMBER}
            found |= {word for word in here if not word.isalpha()}
        least = FOUND_INSIDE if element.keyword in ALSO_NAMING else SHORTEST
        if element.keyword in (*NAMING, *ALSO_NAMING) or element.VR == "PN":
            here = {word for word in WORD.findall(_text_of(element)) if len(word) >= least or not word.isascii()}
            found |= here - common if element.keyword in ALSO_NAMING else here
            words = WORD.findall(_as_written(element.value))
            words += [a + b for a, b in pairwise(words)] if element.VR == "PN" else []  # a name of two short ones
            written |= {word for word in words if len(word) >= FOUND_INSIDE or not word.isascii()}
    as_bytes = {form.encode() for form in uids.union(*(forms_of(date) for date in dates))}
    return Words(frozenset(found), _encoded(written) | as_bytes, frozenset(dates), frozenset(uids))


def names(element: Any, words: Words) -> bool:
    """Whether an element holds one of the words: long ones and those of other scripts anywhere, short ones by themselves; or
    a date or UID of the data set."""
    text = _text_of(element)
    spelt = text.replace("_", ".")
    if any(uid in spelt for uid in words.uids) or any(form in text for date in words.dates for form in forms_of(date)):
        return True
    if any(word in text for word in words.folded if len(word) >= FOUND_INSIDE or not word.isascii()):
        return True
    if isinstance(element.value, bytes):
        content = ESCAPES.sub(b"", element.value)
        return any(word in content for word in words.encoded)
    has_words = (
        element.VR not in NUMBERS and element.keyword not in CODE[:-1]
    )  # codes are short, and mean something else
    return has_words and not words.folded.isdisjoint(WORD.findall(text))


def _encoded(written: Collection[str]) -> frozenset[bytes]:
    """Words as bytes, in every way in which such bytes may have been written."""
    found = set()
    for word in written:
        for form in {word, word.lower(), word.upper(), word.title()}:
            for encoding in ENCODINGS:
                with suppress(UnicodeEncodeError):
                    found.add(ESCAPES.sub(b"", form.encode(encoding)))
    return frozenset(each for each in found if len(each) >= FEWEST_BYTES)


def _as_written(value: Any) -> str:
    is_one = isinstance(value, str) or not isinstance(value, Sequence)
    return str(value or "") if is_one else " ".join(map(str, value))


def _text_of(element: Any) -> str:
    """The value of a text, or of bytes that may be one, without accents and case."""
    value = element.value
    if isinstance(value, bytes):
        text = value.decode("latin-1")
    elif element.VR in NUMBERS:
        text = _spelt(value)
    elif element.VR == "CS":
        text = " ".join(each for each in _values(element) if each not in TERMS)
    else:
        text = _as_written(value)
    folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in folded if not unicodedata.combining(letter))


def _spelt(value: Any) -> str:
    """What several numbers spell, one character each or as many as they have bytes."""
    numbers = [int(each) for each in value] if isinstance(value, Sequence) else []
    letters = "".join(chr(each) if 32 <= each < 0xD800 else " " for each in numbers)
    packed = b"".join((each & 0xFFFFFFFF).to_bytes(4, "little").rstrip(b"\0") for each in numbers)
    return f"{letters} {packed.decode('latin-1')}"


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
            action = action if any(_values(element)) and _is_formed(element) else Action.EMPTY
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
        return Action.KEEP if _is_formed(element) and not _is_identifier(element, words) else Action.EMPTY
    if element.VR in NUMBERS | REAL and (names(element, words) or _is_identifier(element, words)):
        done.named.add(element.keyword)
        return Action.EMPTY
    if element.VR == "UI":
        return Action.KEEP if element.keyword.endswith(CLASSES) or _is_registered(element) else Action.MAP
    if element.VR in (TEXTS | BINARY) and element.keyword not in PIXELS and _tells(element, words):
        done.named.add(element.keyword)
        must_not_be_empty = element.VR == "CS" or element.keyword in CODE or not texts
        return Action.DUMMY if must_not_be_empty and element.VR in TEXTS else Action.EMPTY
    return Action.DUMMY if not texts and element.VR in FREE else Action.KEEP


def _is_bulk(element: Any) -> bool:
    """Whether these are measurements: in enough of them there are the bytes of every short name."""
    is_known = element.keyword.endswith(BULK) and element.VR in NUMBERS | BINARY
    return is_known and isinstance(element.value, Sequence) and len(element.value) >= FEWEST_OF_BULK


def _tells(element: Any, words: Words) -> bool:
    """Whether a text names somebody, or is free and holds any date or UID."""
    text = _text_of(element) if element.VR in FREE else ""
    return names(element, words) or holds_date(text, words.dates) or holds_uid(text)


def _is_identifier(element: Any, words: Words) -> bool:
    """Whether a number is one by which the data set names somebody."""
    digits = set(WORD.findall(_as_written(element.value)))
    for value in _values(element):
        with suppress(ValueError, OverflowError):
            digits.add(str(int(float(value))))
    return any(len(each) >= LONG_NUMBER and each in words.folded for each in digits)


def _values(element: Any) -> list[str]:
    """The values of an element, as they are written."""
    value = element.value
    is_one = value is None or isinstance(value, str) or not isinstance(value, Sequence)
    return [str(each) for each in ([value] if is_one else value) if each is not None]


def _is_formed(element: Any) -> bool:
    """Whether dates, times and numbers are written as such."""
    values = [value.strip() for value in _values(element)]
    return all(not value or re.fullmatch(FORMS[element.VR], value) for value in values)


def _is_registered(element: Any) -> bool:
    """Whether UIDs are ones of the standard, which name nobody."""
    from pydicom.uid import UID_dictionary

    return all(not value or value in UID_dictionary for value in _values(element))


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
        is_dummy = set(_values(element)) <= REPLACED if element.VR in TEXTS else False
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
