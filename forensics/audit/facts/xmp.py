"""XMP packets: IPTC's digital source type and the tools that say they wrote the file. Text is searched, never parsed as XML: the
file is hostile, and what is looked for stands in attributes and elements of known names.

https://cv.iptc.org/newscodes/digitalsourcetype/
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .fact import Fact, printable

MOST = 4_000_000  # bytes of a packet
BEGIN, END = b"<x:xmpmeta", b"</x:xmpmeta>"
MOST_PACKETS = 20
SOURCE = re.compile(rb"digitalsourcetype/([A-Za-z]{3,60})")
# As an attribute or as an element.
TOOLS = {
    what: re.compile(rb"<(?:\w+:)?%s>([^<]{1,400})<|%s=\"([^\"]{1,400})\"" % (name, name))
    for what, name in (("CreatorTool", b"CreatorTool"), ("history, software", b"softwareAgent"))
}
SYNTHETIC = {
    "trainedAlgorithmicMedia",
    "compositeWithTrainedAlgorithmicMedia",
    "algorithmicMedia",
    "compositeSynthetic",
}


def look(content: bytes) -> Iterator[Fact]:
    for number, packet in enumerate(packets(content)):
        name = "XMP" if number == 0 else f"XMP {number + 1}"
        for source in dict.fromkeys(SOURCE.findall(packet)):
            said = printable(source)
            declared = "synthetic" if said in SYNTHETIC else None
            yield Fact(f"{name}: digital source type", said, "declared by whoever wrote it", declares=declared)
        for what, pattern in TOOLS.items():
            if tools := [printable(first or second) for first, second in dict.fromkeys(pattern.findall(packet))]:
                yield Fact(f"{name}: {what}", tools)


def packets(content: bytes) -> Iterator[bytes]:
    """In order. By `find`: an expression would look for the end anew from each of a million beginnings."""
    place = 0
    for _ in range(MOST_PACKETS):
        begin = content.find(BEGIN, place)
        end = content.find(END, begin) if begin >= 0 else -1
        if end < 0:
            return
        yield content[begin : min(end, begin + MOST)]
        place = end
