"""Dates and UIDs inside of texts: a moved date that stands elsewhere as it was gives the distance away."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from contextlib import suppress

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMED = "|".join(MONTHS)
_END = r"(?!\d)"
YEAR_FIRST = re.compile(r"(?<!\d)((?:19|20)\d\d)([-/._ ]?)(\d\d?)\2(\d\d?)" + _END)
YEAR_LAST = re.compile(r"(?<!\d)(?<!\d\.)(\d\d?)([-/._ ])(\d\d?)\2((?:19|20)\d\d)(?!\.?\d)")
DAY_MONTH = re.compile(rf"(?<!\d)(\d\d?)(?:[a-z]{2})?[-/., ]*({_NAMED})[a-z]*[-/., ]*((?:19|20)\d\d){_END}")
MONTH_DAY = re.compile(rf"({_NAMED})[a-z]*[-/., ]*(\d\d?)(?:[a-z]{2})?[-/., ]+((?:19|20)\d\d){_END}")
UID = re.compile(r"(?<![\d.])[0-2](?:\.\d+){3,}(?![\d.]*\d)")
SHORTEST, SHORTEST_UNKNOWN = 8, 16  # characters; shorter ones are versions of software


def dates_in(text: str) -> set[str]:
    """The days that a text (in lower case) names in full, as YYYYMMDD; one that can be read in two ways in both."""
    found: set[str] = set()
    for year, month, day in _candidates(text):
        with suppress(ValueError):
            found.add(datetime.date(year, month, day).strftime("%Y%m%d"))
    return found


def _candidates(text: str) -> Iterator[tuple[int, int, int]]:
    for year, between, month, day in YEAR_FIRST.findall(text):
        if between or len(month) == len(day) == 2:
            yield int(year), int(month), int(day)
    for first, _, second, year in YEAR_LAST.findall(text):
        yield int(year), int(second), int(first)
        yield int(year), int(first), int(second)
    for day, month, year in DAY_MONTH.findall(text):
        yield int(year), 1 + MONTHS.index(month), int(day)
    for month, day, year in MONTH_DAY.findall(text):
        yield int(year), 1 + MONTHS.index(month), int(day)


def forms_of(date: str) -> set[str]:
    """Ways in which bytes may hold a day that is given as YYYYMMDD."""
    year, month, day = date[:4], date[4:6], date[6:8]
    return {date, *(between.join(parts) for between in "-/." for parts in ((year, month, day), (day, month, year)))}


def uids_in(text: str, shortest: int = SHORTEST) -> set[str]:
    """The UIDs in a text that are not the standard's own."""
    from pydicom.uid import UID_dictionary

    return {uid for uid in UID.findall(text) if len(uid) >= shortest and uid not in UID_dictionary}
