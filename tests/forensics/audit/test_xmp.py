"""XMP: only the document's own properties declare; damaged, hostile and foreign packets declare nothing, and facts say so."""

from __future__ import annotations

import io
from html import escape

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from oddpixel.errors import CorruptFile
from oddpixel.forensics.audit.facts import blocks, xmp
from oddpixel.forensics.audit.facts.fact import Fact
from oddpixel.forensics.audit.facts.rdf import MAX_BYTES, MAX_DEPTH, properties

TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
NAMES = (
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#" '
    'xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" xmlns:q="http://example.org/q/"'
)
DECLARED = f'Iptc4xmpExt:DigitalSourceType="{TYPE}"'
STEP = '<xmpMM:History><rdf:Seq><rdf:li stEvt:action="{}" stEvt:softwareAgent="{}"/></rdf:Seq></xmpMM:History>'
PICTURE = Pillow.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3), np.uint8))


def graph(descriptions: str) -> str:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        f"{NAMES}>{descriptions}</rdf:RDF></x:xmpmeta>"
    )


def packet(attributes: str = "", body: str = "") -> str:
    return graph(f'<rdf:Description rdf:about="" {attributes}>{body}</rdf:Description>')


def saved(form: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    PICTURE.save(buffer, form, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def look(text: str) -> list[Fact]:
    return list(xmp.look(saved(xmp=text.encode())))


def is_declared(facts: list[Fact]) -> bool:
    return any(fact.declares == "synthetic" for fact in facts)


@pytest.mark.parametrize(
    "text",
    [
        packet(DECLARED),
        packet(f'Iptc4xmpExt:DigitalSourceType="{TYPE.replace("A", "&#65;")}"'),
        packet('Iptc4xmpExt:DigitalSourceType="digsrctype:trainedAlgorithmicMedia"'),
        packet(f'Iptc4xmpExt:DigitalSourceType="{TYPE}/"'),
        packet("", f"<Iptc4xmpExt:DigitalSourceType>\n {TYPE}\n</Iptc4xmpExt:DigitalSourceType>"),
        packet("", f"<Iptc4xmpExt:DigitalSourceType><![CDATA[{TYPE}]]></Iptc4xmpExt:DigitalSourceType>"),
        packet("", f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{TYPE}"/>'),
        packet(
            "",
            '<Iptc4xmpExt:DigitalSourceType rdf:parseType="Resource">'
            f"<rdf:value>{TYPE}</rdf:value><q:note>x</q:note></Iptc4xmpExt:DigitalSourceType>",
        ),
        packet(DECLARED).replace('xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"', ""),
        packet(DECLARED).replace("Iptc4xmpExt:", "other:").replace("xmlns:Iptc4xmpExt", "xmlns:other"),
        graph(
            f'<rdf:Description rdf:about="uuid:1" dc:format="image/jpeg"/><rdf:Description rdf:about="uuid:1" {DECLARED}/>'
        ),
        packet("", STEP.format("created", "Adobe Firefly")),
    ],
)
def test_properties_of_the_document_declare(text: str) -> None:
    assert is_declared(look(text))


@pytest.mark.parametrize(
    "text",
    [
        packet("", f"<!-- {DECLARED} -->"),
        packet(f'xmpRights:WebStatement="https://example.org/policy?no={TYPE}"'),
        packet("", f"<dc:description><rdf:Alt><rdf:li>A poster of {TYPE}</rdf:li></rdf:Alt></dc:description>"),
        packet("", f"<dc:description>{escape(packet(DECLARED))}</dc:description>"),
        packet("", f"<dc:description><![CDATA[{packet(DECLARED)}]]></dc:description>"),
        packet(f'Iptc4xmpExt:DigitalSourceType="not {TYPE}"'),
        packet("", f"<xmpMM:Ingredients><rdf:Bag><rdf:li {DECLARED}/></rdf:Bag></xmpMM:Ingredients>"),
        packet("", f"<xmpMM:DerivedFrom><rdf:Description {DECLARED}/></xmpMM:DerivedFrom>"),
        packet(
            "",
            '<Iptc4xmpExt:ArtworkOrObject><rdf:Bag><rdf:li rdf:parseType="Resource"><Iptc4xmpExt:AOContentDescription>'
            f"{TYPE}</Iptc4xmpExt:AOContentDescription></rdf:li></rdf:Bag></Iptc4xmpExt:ArtworkOrObject>",
        ),
        graph(
            f'<rdf:Description rdf:about="" dc:format="x"/><rdf:Description rdf:about="http://e.org/part" {DECLARED}/>'
        ),
        graph(f'<rdf:Description rdf:nodeID="part" {DECLARED}/>'),
        packet("", STEP.format("saved", "Adobe Firefly")),
        packet("", "<dc:creator><rdf:Seq><rdf:li>Midjourney</rdf:li></rdf:Seq></dc:creator>"),
    ],
)
def test_other_text_in_a_packet_declares_nothing(text: str) -> None:
    facts = look(text)
    assert not is_declared(facts)
    assert all(fact.value != "unreadable" for fact in facts), "the packet itself is fine"


@pytest.mark.parametrize(
    "text",
    [
        packet(DECLARED)[:-40],
        packet(DECLARED, "<dc:title>"),
        packet(DECLARED, "a & b"),
        packet(DECLARED, "&later;"),
        f'<!DOCTYPE x [<!ENTITY t "{TYPE}">]>' + packet('Iptc4xmpExt:DigitalSourceType="&t;"'),
        '<!DOCTYPE x SYSTEM "file:///etc/passwd">' + packet(DECLARED),
        packet(DECLARED, "<q:a>" * MAX_DEPTH + "</q:a>" * MAX_DEPTH),
    ],
)
def test_damaged_and_hostile_packets_declare_nothing_and_say_so(text: str) -> None:
    facts = look(text)
    assert not is_declared(facts)
    assert [fact.value for fact in facts if fact.name == "XMP"] == ["unreadable"]


def test_bounds() -> None:
    with pytest.raises(CorruptFile, match="bytes"):
        properties(b" " * (MAX_BYTES + 1))
    with pytest.raises(CorruptFile, match="elements"):
        properties(packet("", "<a/>" * 300_000).encode())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32-le"])
def test_encodings(encoding: str) -> None:
    text = packet(DECLARED, "<dc:title>\u3c3c\u5b57</dc:title>")
    assert ("title", ("\u3c3c\u5b57",)) in [(item.name, item.values) for item in properties(text.encode(encoding))]


def test_packets_outside_of_the_files_own_metadata_declare_nothing() -> None:
    """Of a second picture behind the first, or quoted in a text."""
    declared = packet(DECLARED)
    info = PngInfo()
    info.add_text("Comment", declared)
    for content in (saved() + saved(xmp=declared.encode()), saved("PNG", pnginfo=info)):
        facts = [fact for fact in xmp.look(content) if "source type" in fact.name]
        assert [fact.declares for fact in facts] == [None]
        assert "may belong to another picture" in facts[0].because
    assert not blocks.has_place_for_xmp(b"BM")
    assert is_declared(list(xmp.look(b"BM" + bytes(60) + declared.encode())))


def test_gif() -> None:
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    content = saved("GIF")[:-1] + b"\x21\xff\x0bXMP DataXMP" + packet(DECLARED).encode() + trailer + b";"
    assert is_declared(list(xmp.look(content)))


@pytest.mark.parametrize("name", xmp.AI_PROPERTIES)
def test_ai_properties_of_iptc(name: str) -> None:
    own = packet(f'Iptc4xmpExt:{name}="Midjourney"')
    assert is_declared(look(own))
    assert is_declared(look(packet("", f"<Iptc4xmpExt:{name}>Midjourney</Iptc4xmpExt:{name}>")))
    assert not is_declared(look(own.replace("http://iptc.org/std/Iptc4xmpExt/", "http://example.org/")))
    for value in ("", "none", "None used", "N/A", "no", "Not applicable", "-"):
        assert not is_declared(look(packet(f'Iptc4xmpExt:{name}="{value}"')))


def test_a_contradicted_ai_property_and_a_person() -> None:
    camera = DECLARED.replace("trainedAlgorithmicMedia", "digitalCapture")
    facts = look(packet(f'{camera} Iptc4xmpExt:AISystemUsed="A denoiser"'))
    assert not is_declared(facts)
    assert any("another digital source type" in fact.because for fact in facts)
    facts = look(packet('Iptc4xmpExt:AIPromptWriterName="Ada Example"'))
    assert "Ada" not in str(facts)
