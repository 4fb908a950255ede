"""What a message says of a name that there is not: what there is, and which of it was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def no_such(kind: str, name: str, known: Iterable[str]) -> str:
    """`no check 'jpeg-gird'; there are jpeg-grid, resampling, ...; did you mean jpeg-grid?`"""
    names = [*known]
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    return f"no {kind} {name!r}; there are {', '.join(names)}" + (f"; did you mean {close[0]}?" if close else "")
