"""XMP packets: IPTC's digital source type, the tools that say they wrote the file, and what generators declare. Text is searched,
never parsed as XML: the file is hostile, and what is looked for stands in attributes and elements of known names.

https://cv.iptc.org/newscodes/digitalsourcetype/
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from itertools import islice

from .blocks import of_kind
from .fact import Fact, printable
from .generators import declared, text_fact

MOST = 4_000_000  # bytes of a packet
BEGIN, END = b"<x:xmpmeta", b"</x:xmpmeta>"
MOST_PACKETS, MOST_FIELDS = 20, 5_000
SOURCE = re.compile(r"digitalsourcetype/([A-Za-z]{3,60})", re.IGNORECASE)
ATTRIBUTE = re.compile(r"""(?:[\w.-]+:)?([\w.-]+)=("[^"]*"|'[^']*')""")
NAME = re.compile(r"(?:[\w.-]+:)?([\w.-]+)")
STRUCTURE = ("li", "Alt", "Bag", "Seq", "RDF", "xmpmeta", "xpacket")  # between a property's name and its text
TOOLS = {"creatortool": "CreatorTool", "softwareagent": "history, software"}
SYNTHETIC = {
    "trainedAlgorithmicMedia",
    "trainedAlgorithmicData",
    "compositeWithTrainedAlgorithmicMedia",
    "algorithmicMedia",
    "compositeSynthetic",
}
_SYNTHETIC = {each.lower() for each in SYNTHETIC}


def look(content: bytes) -> Iterator[Fact]:
    for number, packet in enumerate(packets(content)):
        name, text = "XMP" if number == 0 else f"XMP {number + 1}", decoded(packet)
        pairs = list(islice(fields(text), MOST_FIELDS))
        bare = [value.strip() for key, value in pairs if key.lower() == "digitalsourcetype" and "/" not in value]
        for source in dict.fromkeys([*SOURCE.findall(text), *filter(None, bare)]):
            kind = "synthetic" if is_synthetic(source) else None
            yield Fact(f"{name}: digital source type", printable(source), "declared by whoever wrote it", declares=kind)
        yield from _tools(name, pairs)
        yield from _declarations(name, text, pairs)


def is_synthetic(source: str) -> bool:
    """Whether a digital source type, with or without the address of its vocabulary, says made by a machine."""
    return source.rpartition("/")[2].lower() in _SYNTHETIC


def _tools(name: str, pairs: list[tuple[str, str]]) -> Iterator[Fact]:
    for key, what in TOOLS.items():
        if tools := list(dict.fromkeys(value for each, value in pairs if each.lower() == key and value.strip())):
            fact = next((each for tool in tools if (each := text_fact(f"{name}: {what}", what, tool)).declares), None)
            shown = [printable(tool[:400]) for tool in tools]
            yield Fact(f"{name}: {what}", shown, fact.because if fact else "", fact.declares if fact else None)


def _declarations(name: str, text: str, pairs: list[tuple[str, str]]) -> Iterator[Fact]:
    """Forms of generators in any other property; else anywhere in the packet."""
    declaring = [(key, value) for key, value in pairs if key.lower() not in TOOLS and declared(key.lower(), value)]
    yield from (text_fact(f"{name}: {printable(key)}", key.lower(), value) for key, value in dict(declaring).items())
    if not declaring and declared("", text):
        yield text_fact(f"{name}: text", "", text, value="in the packet")


def fields(text: str) -> Iterator[tuple[str, str]]:
    """Names without their prefix, and values: of attributes, and of elements with text. By `find`, so in linear time."""
    place, name = 0, ""
    for _ in range(MOST_FIELDS):
        begin = text.find("<", place)
        end = text.find(">", begin) if begin >= 0 else -1
        if end < 0:
            return
        tag = text[begin + 1 : end]
        opened = NAME.match(tag)
        if opened and opened[1] not in STRUCTURE:
            name = opened[1]
        yield from ((key, html.unescape(value[1:-1])) for key, value in ATTRIBUTE.findall(tag))
        place = end + 1
        following = text.find("<", place)
        if opened and not tag.endswith("/") and (value := text[place : max(following, place)].strip()):
            yield name, html.unescape(value)


def decoded(packet: bytes) -> str:
    """UTF-8 by custom; of UTF-16 and UTF-32 every letter that matters here is one byte among zeros."""
    return packet[:MOST].replace(b"\0", b"").decode("utf-8", "replace")


def packets(content: bytes) -> Iterator[bytes]:
    """Where the container keeps them, then any other, in order."""
    kept = of_kind(content, "xmp")[:MOST_PACKETS]
    yield from kept
    for packet in _anywhere(content):
        if not any(packet in each for each in kept):
            yield packet


def _anywhere(content: bytes) -> Iterator[bytes]:
    """By `find`: an expression would look for the end anew from each of a million beginnings."""
    place = 0
    for _ in range(MOST_PACKETS):
        begin = content.find(BEGIN, place)
        end = content.find(END, begin) if begin >= 0 else -1
        if end < 0:
            return
        yield content[begin : min(end, begin + MOST)]
        place = end
