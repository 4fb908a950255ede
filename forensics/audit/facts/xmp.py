"""XMP packets: IPTC's digital source type and AI properties, the tools that say they wrote the file, and what generators declare.

Only properties of the document itself count (`rdf`), and only packets that stand where the container keeps its own.

https://cv.iptc.org/newscodes/digitalsourcetype/; IPTC Photo Metadata Standard 2025.1, IPTC Extension schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from oddpixel.errors import CorruptFile

from .blocks import has_place_for_xmp, of_kind
from .fact import Fact, printable
from .generators import declared, text_fact
from .rdf import EVENT, HISTORY, MAX_BYTES, Property, properties

BEGIN, END = b"<x:xmpmeta", b"</x:xmpmeta>"
MAX_PACKETS, MAX_VALUES = 4, 50  # a hostile packet of the largest size takes seconds
# Addresses and the QCode of the vocabulary, and C2PA's own; also bare.
SOURCE_TYPE = re.compile(
    r"(?:https?://(?:cv\.iptc\.org/newscodes|c2pa\.org)/digitalsourcetype/|digsrctype:|)([A-Za-z]{3,60})/?",
    re.IGNORECASE,
)
SYNTHETIC = {
    "trainedAlgorithmicMedia",
    "trainedAlgorithmicData",
    "compositeWithTrainedAlgorithmicMedia",
    "algorithmicMedia",
    "compositeSynthetic",
}
_SYNTHETIC = {term.lower() for term in SYNTHETIC}
IPTC_EXTENSION = re.compile(r"https?://(?:www\.)?iptc\.org/std/Iptc4xmpExt/.*", re.IGNORECASE)
# Defined as "used to generate this image"; a name of a person is not repeated.
AI_PROPERTIES = {
    "AISystemUsed": "AI system used",
    "AISystemVersionUsed": "AI system version used",
    "AIPromptInformation": "AI prompt information",
    "AIPromptWriterName": "AI prompt writer",
}
AI_DECLARED = "IPTC's property of images that an AI system generated; declared by whoever wrote it"
AI_DENIED = "the same packet declares another digital source type, so nothing follows from it"
NOTHING = re.compile(
    r"[\W_]*|no|null|nil|false|n/?a|unknown|undefined|0|(?:none|not|no ai)\b.*", re.IGNORECASE | re.DOTALL
)
ELSEWHERE = "in a packet outside of the place of the file's own metadata: it may belong to another picture"


def look(content: bytes) -> Iterator[Fact]:
    """Facts of every XMP packet; packets outside the container's place for XMP declare nothing."""
    own = of_kind(content, "xmp")[:MAX_PACKETS]
    for number, packet in enumerate([*own, *_others(content, own)]):
        name = "XMP" if number == 0 else f"XMP {number + 1}"
        is_own = number < len(own) or not has_place_for_xmp(content)
        yield from (fact if is_own else _undeclared(fact) for fact in _facts(name, packet))


def is_synthetic(source: str) -> bool:
    """Whether a digital source type, with or without the address of its vocabulary, declares a synthetic picture."""
    type_ = SOURCE_TYPE.fullmatch(source.strip())
    return type_ is not None and type_[1].lower() in _SYNTHETIC


def _undeclared(fact: Fact) -> Fact:
    return replace(fact, because=ELSEWHERE, declares=None) if fact.declares else fact


def _facts(name: str, packet: bytes) -> Iterator[Fact]:
    try:
        read = properties(packet)
    except CorruptFile as error:
        yield Fact(name, "unreadable", f"{printable(str(error))}; no declaration is taken from it")
        return
    sources = list(dict.fromkeys(value.strip() for item in read if _is_source(item) for value in item.values))[
        :MAX_VALUES
    ]
    yield from (_source_fact(name, source) for source in sources if source)
    yield from _ai_facts(name, read, sources)
    yield from _tools(name, read)
    yield from _generators(name, read)


def _is_source(item: Property) -> bool:
    """By its name in any namespace: the value must be a word of the vocabulary, which no other property has."""
    return item.name.lower() == "digitalsourcetype"


def _source_fact(name: str, source: str) -> Fact:
    type_ = SOURCE_TYPE.fullmatch(source)
    kind = "synthetic" if is_synthetic(source) else None
    shown = printable(type_[1] if type_ else source)
    return Fact(f"{name}: digital source type", shown, "declared by whoever wrote it", declares=kind)


def _ai_facts(name: str, read: list[Property], sources: list[str]) -> Iterator[Fact]:
    is_denied = any(sources) and not any(is_synthetic(source) for source in sources)
    for item in read:
        what = AI_PROPERTIES.get(item.name) if IPTC_EXTENSION.fullmatch(item.namespace) else None
        values = [value for value in item.values if not NOTHING.fullmatch(value.strip())]
        if what is None or not values:
            continue
        shown = "there" if item.name == "AIPromptWriterName" else printable("; ".join(values[:MAX_VALUES]))
        because, kind = (AI_DENIED, None) if is_denied else (AI_DECLARED, "synthetic")
        yield Fact(f"{name}: {what}", shown, because, declares=kind)


def _tools(name: str, read: list[Property]) -> Iterator[Fact]:
    tools = [value for item in read if item.name.lower() == "creatortool" for value in item.values]
    steps = [step for item in read if (item.namespace, item.name) == (HISTORY, "History") for step in item.structures]
    agents = [agent for step in steps if (agent := step.get(f"{{{EVENT}}}softwareAgent"))]
    creators = [agent for step in steps if (agent := _created_by(step))]
    yield from _tool_fact(f"{name}: CreatorTool", tools, tools)
    yield from _tool_fact(f"{name}: history, software", agents, creators)


def _created_by(step: dict[str, str]) -> str | None:
    """The software of a step that created the document; one that saved or edited it may have started from a photograph."""
    return step.get(f"{{{EVENT}}}softwareAgent") if step.get(f"{{{EVENT}}}action") == "created" else None


def _tool_fact(name: str, tools: list[str], creators: list[str]) -> Iterator[Fact]:
    """The fact of the creator tools that a packet names.

    Arguments:
        creators: those of the tools that may declare.
    """
    if once := list(dict.fromkeys(tool for tool in tools if tool.strip()))[:MAX_VALUES]:
        facts = (text_fact(name, "creatortool", tool) for tool in once if tool in creators)
        fact = next((fact for fact in facts if fact.declares), Fact(name, None))
        yield replace(fact, value=[printable(tool[:400]) for tool in once])


def _generators(name: str, read: list[Property]) -> Iterator[Fact]:
    """Forms of generators in any other property."""
    texts = {item.name: value for item in read for value in item.values if declared(item.name.lower(), value)}
    for key, value in texts.items():
        if key.lower() != "creatortool":
            yield text_fact(f"{name}: {printable(key)}", key.lower(), value)


def _others(content: bytes, own: list[bytes]) -> Iterator[bytes]:
    """Packets anywhere else, in order. By `find`: an expression would look for the end anew from each beginning."""
    place = 0
    for _ in range(MAX_PACKETS):
        begin = content.find(BEGIN, place)
        end = content.find(END, begin) if begin >= 0 else -1
        if end < 0:
            return
        place = end + len(END)
        packet = content[begin : min(place, begin + MAX_BYTES + 1)]
        if not any(packet in own_packet for own_packet in own):
            yield packet
