"""Dates and UIDs inside of texts: a moved date that stands elsewhere as it was gives the distance away."""

from __future__ import annotations

import re

_YEAR = r"(?:19|20)\d\d"
_DAY = r"\d{1,2}"
_BETWEEN = r"[-/._: ,]{1,3}"
# What looks like a day in full, in whichever order, with the month as a number or as any word of letters.
DAYS = tuple(
    re.compile(form)
    for form in (
        rf"(?<!\d){_YEAR}(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])(?:\d{{4,6}})?(?!\d)",
        rf"(?<!\d){_YEAR}{_BETWEEN}{_DAY}{_BETWEEN}{_DAY}(?!\d)",
        rf"(?<!\d)(?<!\d\.){_DAY}{_BETWEEN}{_DAY}{_BETWEEN}{_YEAR}(?!\.?\d)",
        rf"(?<!\d){_DAY}[^\W\d]{{0,2}}(?:[-/.,]? ?[^\W\d]+){{1,3}}[-/., ]{{1,3}}{_YEAR}(?!\d)",
        rf"[^\W\d]{{3,}}\.? (?:[^\W\d]+ )?{_DAY}[^\W\d]{{0,2}}[, ]{{1,3}}(?:\d\d:\d\d(?::\d\d)? )?{_YEAR}(?!\d)",
        rf"(?<!\d){_YEAR}[-/., ]{{1,3}}[^\W\d]{{3,}}[-/., ]{{1,3}}{_DAY}(?!\d)",
        rf"(?<!\d){_YEAR} ?[\u5e74\ub144]",  # the year of Chinese, Japanese and Korean dates
    )
)
SHORT_YEAR = re.compile(rf"(?<![\d.])({_DAY})([-/.])({_DAY})\2(\d\d)(?![\d.]*\d)")
UID = re.compile(r"(?<!\d)[0-2](?:[._]\d+){3,}(?!\d)")
SHORTEST, SHORTEST_UNKNOWN = 8, 16  # characters; shorter ones are versions of software


def holds_date(text: str, known: frozenset[str]) -> bool:
    """Whether a text names a day in full, or one of those known (YYYYMMDD) with a year of two digits."""
    if any(form.search(text) for form in DAYS):
        return True
    for first, _, second, year in SHORT_YEAR.findall(text):
        for month, day in ((first, second), (second, first)):
            if any(date[2:] == f"{year}{month:0>2}{day:0>2}" for date in known):
                return True
    return any(date in text or date[2:] in re.findall(r"\d+", text) for date in known)


def forms_of(date: str) -> set[str]:
    """Ways in which bytes, or any text, may hold a day that is given as YYYYMMDD."""
    year, month, day = date[:4], date[4:6], date[6:8]
    return {date, *(between.join(parts) for between in "-/.:" for parts in ((year, month, day), (day, month, year)))}


def holds_uid(text: str) -> bool:
    """Whether a text holds a UID that is not the standard's own."""
    return bool(uids_in(text, SHORTEST_UNKNOWN))


def uids_in(text: str, shortest: int = SHORTEST) -> set[str]:
    """The UIDs in a text that are not the standard's own, also where they are parts of a file's name."""
    from pydicom.uid import UID_dictionary

    found = (uid.replace("_", ".") for uid in UID.findall(text))
    return {uid for uid in found if len(uid) >= shortest and uid not in UID_dictionary}
