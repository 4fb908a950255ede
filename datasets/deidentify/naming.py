"""What names somebody in a data set: its words, numbers, dates and UIDs, wherever and however they are written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .dates_and_uids import forms_of, holds_date, holds_uid, uids_in
from .vocabulary import TERMS

FREE = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))
CODE = ("CodeValue", "LongCodeValue", "URNCodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning")
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
NUMBERS = frozenset(("US", "SS", "UL", "SL", "UV", "SV"))  # several of them may spell something
ENCODINGS = (
    "utf-8", "utf-16-le", "utf-16-be", "latin-1", "iso8859-2", "iso8859-5", "iso8859-6", "iso8859-7", "iso8859-8",
    "iso8859-9", "cp1251", "koi8-r", "shift_jis", "euc_jp", "iso2022_jp", "euc_kr", "gb18030", "tis-620",
)  # fmt: skip
ESCAPES = re.compile(rb"\x1b[$()*+\-./][@-Z]|\x1b\$[()*+]?[@-Z]|\x1b\([A-Z]")
WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Words:
    """What names somebody.

    Arguments:
        folded: without accents and case.
        encoded: as bytes, in every way in which such bytes may have been written.
        dates, uids: of the data set, which tell who and when it was as well.
        forms: in which texts may hold those dates.
    """

    folded: frozenset[str]
    encoded: frozenset[bytes]
    dates: frozenset[str] = frozenset()
    uids: frozenset[str] = frozenset()
    forms: frozenset[str] = frozenset()


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
    forms = frozenset(form for date in dates for form in forms_of(date))
    encoded = _encoded(written) | {form.encode() for form in forms | uids}
    return Words(frozenset(found), encoded, frozenset(dates), frozenset(uids), forms)


def names(element: Any, words: Words) -> bool:
    """Whether an element holds one of the words: long ones and those of other scripts anywhere, short ones by themselves; or
    a date or UID of the data set."""
    text = _text_of(element)
    spelt = text.replace("_", ".")
    if any(uid in spelt for uid in words.uids) or any(form in text for form in words.forms):
        return True
    if any(word in text for word in words.folded if len(word) >= FOUND_INSIDE or not word.isascii()):
        return True
    if isinstance(element.value, bytes):
        content = ESCAPES.sub(b"", element.value)
        return any(word in content for word in words.encoded)
    # Codes are short, and mean something else.
    has_words = element.VR not in NUMBERS and element.keyword not in CODE[:-1]
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
        text = " ".join(each for each in values_of(element) if each not in TERMS)
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


def tells(element: Any, words: Words) -> bool:
    """Whether a text names somebody, or is free and holds any date or UID."""
    text = _text_of(element) if element.VR in FREE else ""
    return names(element, words) or holds_date(text, words.dates) or holds_uid(text)


def is_identifier(element: Any, words: Words) -> bool:
    """Whether a number is one by which the data set names somebody."""
    digits = set(WORD.findall(_as_written(element.value)))
    for value in values_of(element):
        with suppress(ValueError, OverflowError):
            digits.add(str(int(float(value))))
    return any(len(each) >= LONG_NUMBER and each in words.folded for each in digits)


def values_of(element: Any) -> list[str]:
    """The values of an element, as they are written."""
    value = element.value
    is_one = value is None or isinstance(value, str) or not isinstance(value, Sequence)
    return [str(each) for each in ([value] if is_one else value) if each is not None]
