"""IPTC IIM datasets (IIM 4.2, record 2): which program wrote the file, and what it declares. Names of people and places are in
others of them, and are not repeated.
"""

from __future__ import annotations

from collections.abc import Iterator

from .blocks import of_kind
from .fact import Fact
from .generators import declared, text_fact

MOST = 500  # datasets
SHOWN = {65: "originating program", 70: "program version"}
SEARCHED = {5: "title", 40: "instructions", 105: "headline", 110: "credit", 115: "source", 120: "caption"}


def look(content: bytes) -> Iterator[Fact]:
    """Facts of the IPTC datasets that name programs, and of captions that declare a generator."""
    for block in of_kind(content, "iptc"):
        for number, value in datasets(block):
            name, text = SHOWN.get(number) or SEARCHED.get(number), value.decode("utf-8", "replace")
            if name is not None and (number in SHOWN or declared(name, text)):
                yield text_fact(f"IPTC: {name}", name, text)


def datasets(block: bytes) -> Iterator[tuple[int, bytes]]:
    """The numbers and values of record 2, up to the first damage."""
    place = 0
    for _ in range(MOST):
        if block[place : place + 1] != b"\x1c" or place + 5 > len(block):
            return
        record, number = block[place + 1], block[place + 2]
        length, start = int.from_bytes(block[place + 3 : place + 5], "big"), place + 5
        if length & 0x8000:  # extended: that many bytes hold the length
            wide = min(length & 0x7FFF, 8)
            length, start = int.from_bytes(block[start : start + wide], "big"), start + wide
        if record == 2:
            yield number, block[start : start + length]
        place = start + length
