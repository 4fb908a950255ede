"""What ExifTool sees: shown where it is neutral, else only named; hostile text cut and printable; bounded in time and size."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from oddpixel.forensics.audit.facts import exiftool
from oddpixel.forensics.audit.facts.fact import LONGEST, Fact

needs_program = pytest.mark.skipif(
    exiftool._program() is None and "ODDPIXEL_REQUIRE_EXIFTOOL" not in os.environ,
    reason="exiftool is not installed: apt-get install libimage-exiftool-perl",
)
PICTURE = Pillow.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))
NAMESPACES = {
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "aux": "http://ns.adobe.com/exif/1.0/aux/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "stEvt": "http://ns.adobe.com/xap/1.0/sType/ResourceEvent#",
    "own": "http://example.org/own/",
}
HOSTILE = "&lt;script&gt;alert(1)&lt;/script&gt;"


def packet(body: str) -> bytes:
    names = " ".join(f'xmlns:{name}="{address}"' for name, address in NAMESPACES.items())
    rdf = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    return (
        f'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">{rdf}'
        f'<rdf:Description rdf:about="" {names}>{body}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def saved(form: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    PICTURE.save(buffer, form, **options)
    return buffer.getvalue()


def texts(facts: list[Fact]) -> Iterator[str]:
    for fact in facts:
        yield fact.name
        yield fact.because
        yield from map(str, fact.value if isinstance(fact.value, list) else [fact.value])


def look(content: bytes) -> dict[str, Fact]:
    facts = list(exiftool.look(content))
    assert len(facts) <= exiftool.MOST_FACTS + 1
    for text in texts(facts):
        assert text.isprintable()
        assert len(text) < 4 * LONGEST
    return {fact.name: fact for fact in facts}


@needs_program
def test_dates_tools_and_history() -> None:
    exif = Pillow.Exif()
    exif[0x0132] = "2026:01:02 03:04:05"
    step = (
        '<rdf:li rdf:parseType="Resource"><stEvt:action>{}</stEvt:action><stEvt:when>2026-01-0{}</stEvt:when></rdf:li>'
    )
    steps = step.format("created", 1) + step.format("saved", 2)
    xmp = packet(
        f"<xmp:CreatorTool>An editor</xmp:CreatorTool><xmpMM:History><rdf:Seq>{steps}</rdf:Seq></xmpMM:History>"
    )
    facts = look(saved(exif=exif, xmp=xmp))
    assert facts["ExifTool: IFD0:ModifyDate"].value == "2026:01:02 03:04:05"
    assert facts["ExifTool: XMP-xmp:CreatorTool"].value == "An editor"
    assert facts["ExifTool: XMP-xmpMM:HistoryAction"].value == ["created", "saved"]


@needs_program
def test_private_things_are_named_and_not_repeated() -> None:
    exif = Pillow.Exif()
    exif[0x013B] = "Jane Doe"
    exif[0x8298] = "(c) Jane Doe"
    details, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
    details[0xA431], details[0xA430] = "SN-4711", "Jane Doe"
    place[1], place[2], place[3], place[4] = "N", (52.0, 31.0, 12.0), "E", (13.0, 24.0, 36.0)
    body = (
        "<photoshop:City>Potsdam</photoshop:City><exif:GPSLatitude>52,31.2N</exif:GPSLatitude>"
        "<own:PatientBirthDate>1970-12-31</own:PatientBirthDate><own:AnyDate>1970-12-31</own:AnyDate>"
        "<aux:SerialNumber>SN-4711</aux:SerialNumber><dc:title>Potsdam, by Jane Doe</dc:title><own:Secret>Jane Doe</own:Secret>"
    )
    facts = look(saved(exif=exif, xmp=packet(body)))
    for kind in exiftool.PRIVATE:
        assert facts[f"ExifTool: {kind}"].value == "there"
    assert "GPSLatitude" in facts["ExifTool: place"].because
    everything = " ".join(texts(list(facts.values())))
    for secret in ("52", "13.", "4711", "Jane", "Doe", "Potsdam", "1970"):
        assert secret not in everything, secret
    assert "Secret" in everything, "that a tag is there may be said"


@needs_program
@pytest.mark.parametrize("text", ["\x1b]0;owned\x07\x1b[31m", "\u202egnp.exe", "<script>alert(1)</script>"])
def test_hostile_text_in_exif(text: str) -> None:
    exif = Pillow.Exif()
    exif[0x0131] = text.encode().decode("latin-1")
    exif[0x0110] = text.encode().decode("latin-1")
    assert "ExifTool: IFD0:Software" in look(saved(exif=exif))


@needs_program
def test_hostile_text_in_xmp() -> None:
    escape = "\u009b31m\u202e"
    facts = look(saved(xmp=packet(f"<xmp:CreatorTool>{HOSTILE}{escape}</xmp:CreatorTool>")))
    assert facts[
        "ExifTool: XMP-xmp:CreatorTool"
    ].value == "<script>alert(1)</script>" + "\N{REPLACEMENT CHARACTER}31m" + ("\N{REPLACEMENT CHARACTER}")
    long = packet(f"<xmp:CreatorTool>{'A' * 1_000_000}</xmp:CreatorTool>")
    assert look(_with_text(long))["ExifTool: XMP-xmp:CreatorTool"].value.endswith("(1000000 characters)")
    names = packet("".join(f"<own:Tag{number}>x</own:Tag{number}>" for number in range(3000)))
    assert look(_with_text(names))["ExifTool: XMP-own"].value == "3000 tags"


@needs_program
def test_too_much_and_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    flood = packet("".join(f"<own:Tag{number}>{'A' * 60_000}</own:Tag{number}>" for number in range(100)))
    facts = look(_with_text(flood))
    assert (facts["ExifTool"].value, facts["ExifTool"].because) == ("failed", "its answer is longer than 4 MB")
    monkeypatch.setattr(exiftool, "SECONDS", 0)
    assert look(saved())["ExifTool"].value == "failed"


@needs_program
def test_a_bomb_ends_in_bounds() -> None:
    facts = look(_with_chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(500_000_000))))
    assert set(facts) <= {"ExifTool", "ExifTool: warning"}  # it came back: its own limit of seconds stops the program


@needs_program
@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"\xff\xd8\xff", b"nothing known \x80\x81" * 10])
def test_garbage_fails_or_says_little(content: bytes) -> None:
    assert set(look(content)) <= {"ExifTool", "ExifTool: warning"}


@needs_program
def test_mutations_never_raise() -> None:
    generator = np.random.default_rng(0)
    exif = Pillow.Exif()
    exif[0x0131] = "An editor"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    whole = saved(exif=exif, xmp=packet("<xmp:CreatorTool>An editor</xmp:CreatorTool>"))
    for _ in range(15):
        content = bytearray(whole)
        for place in generator.integers(900, size=20):
            content[place] = generator.integers(256)
        look(bytes(content))


@needs_program
def test_it_runs_confined_and_without_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the program tells what it was given: as Perl code in a configuration file could use it."""
    script = tmp_path / "exiftool"
    script.write_text(
        '#!/bin/sh\necho x > "$0.written" 2>/dev/null && wrote=yes\n'
        'printf \'[{"X:Software": "%s|%s|%s|%s"}]\' "$1$2" "$HOME" "$wrote" "$(ulimit -f)"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(exiftool, "_program", lambda: str(script))
    assert look(saved())["ExifTool: X:Software"].value == "-config|||0"


def test_without_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exiftool, "_program", lambda: None)
    assert list(exiftool.look(saved())) == []
    monkeypatch.setattr(exiftool, "_program", lambda: "/nowhere/exiftool")
    assert [fact.value for fact in exiftool.look(saved())] == ["failed"]


def _with_text(xmp: bytes) -> bytes:
    return _with_chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)


def _with_chunk(kind: bytes, data: bytes) -> bytes:
    whole = saved("PNG")
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return whole[:33] + chunk + whole[33:]
