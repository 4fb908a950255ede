"""The RDF/XML of an XMP packet: the properties of the document itself (ISO 16684-1, clause 7).

    for item in properties(packet):
        item.name, item.values

A property belongs to the document where it stands in a top-level `rdf:Description` of the document. What is nested deeper
describes something else: an ingredient, a pictured artwork, a step of the history. Comments are no properties.

The packet is hostile. Expat expands character references and the five entities of XML; every document type, and so every
other entity, is refused. Bytes, elements and depth are bounded.
"""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from oddpixel.errors import CorruptFile

MAX_BYTES, MAX_ELEMENTS, MAX_DEPTH = 4_000_000, 100_000, 100
RDF, XML = "http://www.w3.org/1999/02/22-rdf-syntax-ns#", "http://www.w3.org/XML/1998/namespace"
IPTC_EXTENSION = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
HISTORY, EVENT = "http://ns.adobe.com/xap/1.0/mm/", "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#"
# Of prefixes that a writer forgot to declare: what they mean by custom, as ExifTool reads them.
CUSTOMARY = {"rdf": RDF, "xml": XML, "Iptc4xmpExt": IPTC_EXTENSION, "xmpMM": HISTORY, "stEvt": EVENT}
DESCRIPTION, ITEM, VALUE = f"{{{RDF}}}Description", f"{{{RDF}}}li", f"{{{RDF}}}value"
ABOUT, RESOURCE = f"{{{RDF}}}about", f"{{{RDF}}}resource"
ARRAYS = {f"{{{RDF}}}{name}" for name in ("Alt", "Bag", "Seq")}
NODE_NAMES = (f"{{{RDF}}}ID", f"{{{RDF}}}nodeID")


@dataclass(frozen=True)
class Property:
    """One XMP property of the document.

    Arguments:
        namespace: its address, empty where the writer declared none.
        name: without a prefix.
        values: texts and addresses; of an array every item. Structures have none.
        structures: the fields of every structure in it, by `{namespace}name`.
    """

    namespace: str
    name: str
    values: tuple[str, ...]
    structures: tuple[dict[str, str], ...] = ()


def properties(packet: bytes) -> list[Property]:
    """The properties of the document in an XMP packet, in order. Raises: CorruptFile."""
    root = _tree(_text(packet))
    graph = next((element for element in (root, *root) if element.tag == f"{{{RDF}}}RDF"), None)
    if graph is None:
        return []
    return [item for description in _of_the_document(graph) for item in _properties(description)]


def _text(packet: bytes) -> str:
    """In UTF-8, UTF-16 or UTF-32, told apart as those of JSON are: the first character is ASCII."""
    if len(packet) > MAX_BYTES:
        raise CorruptFile(f"it has {len(packet)} bytes, more than the {MAX_BYTES} that are read")
    return packet.decode(json.detect_encoding(packet), "replace").strip("\0\ufeff \t\r\n")


def _tree(text: str) -> Element:
    """The XML as a tree, parsed without document types or entities. Raises: CorruptFile."""
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.tree.data
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise CorruptFile(f"its XML is damaged: {error}") from error
    return builder.tree.close()


def _refuse_document_type(*_: object) -> None:
    raise CorruptFile("it declares a document type, which XMP never does")


class _Builder:
    """A tree with names as `{namespace}name`. Namespaces are resolved here, since expat refuses a prefix without one."""

    def __init__(self) -> None:
        self.tree = TreeBuilder()
        self._scopes: list[MutableMapping[str, str]] = [ChainMap({}, CUSTOMARY)]
        self._count = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._scopes) > MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise CorruptFile(f"it has more than {MAX_ELEMENTS} elements, or more than {MAX_DEPTH} in each other")
        scope = self._scopes[-1]
        if declared := {_prefix(name): uri for name, uri in attributes.items() if _is_declaration(name)}:
            scope = ChainMap(declared, scope)
        self._scopes.append(scope)
        named = {_resolved(name, scope): value for name, value in attributes.items() if not _is_declaration(name)}
        self.tree.start(_resolved(tag, scope, scope.get("", "")), named)

    def end(self, tag: str) -> None:
        scope = self._scopes.pop()
        self.tree.end(_resolved(tag, scope, scope.get("", "")))


def _is_declaration(name: str) -> bool:
    return name == "xmlns" or name.startswith("xmlns:")


def _prefix(declaration: str) -> str:
    return declaration.partition(":")[2]


def _resolved(name: str, scope: MutableMapping[str, str], default: str = "") -> str:
    prefix, separator, local = name.rpartition(":")
    namespace = scope.get(prefix, "") if separator else default
    return f"{{{namespace}}}{local}"


def _of_the_document(graph: Element) -> list[Element]:
    """Top-level descriptions with an empty `rdf:about`; without any, those about what the first of them is about."""
    described = [
        element
        for element in graph
        if element.tag == DESCRIPTION and not any(name in element.attrib for name in NODE_NAMES)
    ]
    subjects = [element.get(ABOUT, element.get("{}about", "")) for element in described]
    document = "" if "" in subjects else next(iter(subjects), "")
    return [element for element, subject in zip(described, subjects, strict=True) if subject == document]


def _properties(description: Element) -> Iterator[Property]:
    for name, text in description.attrib.items():
        namespace, local = _split(name)
        if namespace not in (RDF, XML) and name != "{}about":
            yield Property(namespace, local, (text,))
    for element in description:
        leaves = _leaves(element)
        values = tuple(value for leaf in leaves if (value := _value(leaf)) is not None)
        structures = tuple(fields for leaf in leaves if (fields := _fields(leaf)))
        yield Property(*_split(element.tag), values, structures)


def _split(name: str) -> tuple[str, str]:
    namespace, _, local = name[1:].rpartition("}")
    return namespace, local


def _leaves(element: Element) -> list[Element]:
    """The items of an array, or the element itself."""
    arrays = [child for child in element if child.tag in ARRAYS]
    return [item for array in arrays for item in array if item.tag == ITEM] if arrays else [element]


def _value(element: Element) -> str | None:
    """A text or an address, with or without qualifiers (7.8); None of a structure."""
    if (address := element.get(RESOURCE)) is not None:
        return address
    structure = _structure(element)
    if VALUE in structure.attrib:
        return structure.attrib[VALUE]
    if (qualified := structure.find(VALUE)) is not None:
        return _value(qualified) if len(qualified) == 0 else None
    is_plain = len(element) == 0 and all(_split(name)[0] in (RDF, XML) for name in element.attrib)
    return (element.text or "").strip() if is_plain else None


def _structure(element: Element) -> Element:
    """The element that has the fields: itself with `rdf:parseType="Resource"`, or the description in it (7.9.2)."""
    return next((child for child in element if child.tag == DESCRIPTION), element)


def _fields(element: Element) -> dict[str, str]:
    holder = _structure(element)
    texts = {child.tag: (child.text or "").strip() for child in holder if len(child) == 0}
    attributes = {name: value for name, value in holder.attrib.items() if _split(name)[0] not in (RDF, XML)}
    return attributes | texts
