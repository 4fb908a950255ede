"""What files declare: tables of every quality, appended bytes, declared generators; hostile metadata stays text, in bounds."""

from __future__ import annotations

import io
import time
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from oddpixel.forensics.audit.facts import exiftool, facts_of
from oddpixel.forensics.audit.facts.fact import LONGEST, Fact, printable
from oddpixel.forensics.audit.facts.jpeg import nearest_quality, parse
from oddpixel.provenance import SYNTHETIC, XMP

PICTURE = Pillow.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))


def saved(form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    PICTURE.save(buffer, form, **options)
    return buffer.getvalue()


@cache
def marked(form: str) -> bytes:
    """With EXIF and XMP, where the format has them."""
    exif = Pillow.Exif()
    exif[0x0131] = "a program"
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + "a comment".encode("utf-16-be")
    packet = XMP.format(source=SYNTHETIC, tool="a tool").encode()
    return saved(form, exif=exif, comment=b"a comment", xmp=packet)


def by_name(facts: list[Fact]) -> dict[str, Fact]:
    return {fact.name: fact for fact in facts}


@pytest.mark.parametrize("quality", range(1, 101))
def test_the_table_of_every_quality_is_named(quality: int) -> None:
    found = parse(saved("JPEG", quality=quality))
    assert found is not None
    assert found.end == len(saved("JPEG", quality=quality))
    luminance, chrominance = (nearest_quality(found.tables[number], number) for number in (0, 1))
    assert luminance[1] == chrominance[1] == 0
    # At the lowest qualities the tables of several are the same: all 255.
    assert luminance[0] == quality or np.array_equal(
        found.tables[0], parse(saved("JPEG", quality=luminance[0])).tables[0]
    )  # type: ignore[union-attr]


def test_processes_and_foreign_tables() -> None:
    facts = by_name(facts_of(saved("JPEG", quality=80, progressive=True, subsampling=2), "x.jpg"))
    assert (facts["JPEG process"].value, facts["JPEG process"].because) == ("progressive", "2x2, 1x1, 1x1")
    tables = [[17] * 64, [40] * 64]
    foreign = by_name(facts_of(saved("JPEG", qtables=tables), "x.jpg"))
    assert "another encoder" in foreign["quantisation table 0"].because
    assert "SOI" in facts["JPEG markers"].value
    assert "EOI" in facts["JPEG markers"].value


def test_names_ends_and_appendices() -> None:
    plain = saved("JPEG")
    facts = by_name(facts_of(plain + b"PK\x03\x04" + bytes(96), "picture.png"))
    assert facts["suffix"].because.startswith("the content is JPEG")
    assert facts["bytes after the end"].value == 100
    assert by_name(facts_of(plain[:-40], "x.jpg"))["JPEG end"].value == "missing"
    png = saved("PNG")
    assert by_name(facts_of(png + b"more", "x.png"))["bytes after the end"].value == 4
    broken = bytearray(png)
    broken[-20] ^= 1
    assert "IDAT" in by_name(facts_of(bytes(broken), "x.png"))["PNG checksums"].value
    assert by_name(facts_of(b"nothing", "x.jpg"))["container"].value == "unknown"


def test_declared_generators() -> None:
    info = PngInfo()
    info.add_text("parameters", "a cat, Steps: 20, Sampler: Euler")
    info.add_text("Comment", "by hand")
    facts = by_name(facts_of(saved("PNG", pnginfo=info), "x.png"))
    assert facts["PNG text parameters"].declares == "synthetic"
    assert facts["PNG text Comment"].declares is None
    marked = PngInfo()
    marked.add_itxt("XML:com.adobe.xmp", XMP.format(source=SYNTHETIC, tool="a tool"))
    facts = by_name(facts_of(saved("PNG", pnginfo=marked), "x.png"))
    assert facts["XMP: digital source type"].declares == "synthetic"
    assert facts["XMP: CreatorTool"].value == ["a tool"]
    camera = XMP.format(source=SYNTHETIC.replace("trainedAlgorithmicMedia", "digitalCapture"), tool="a camera").encode()
    facts = by_name(facts_of(saved("JPEG", xmp=camera), "x.jpg"))
    assert facts["XMP: digital source type"].declares is None


def test_exif_without_repeating_where() -> None:
    exif = Pillow.Exif()
    exif[0x0131] = "An editor 1.0\x1b[31m"
    exif[0x0132] = "2026:01:02 03:04:05"
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 0.0)
    facts = by_name(facts_of(saved("JPEG", exif=exif), "x.jpg"))
    assert facts["EXIF: software"].value.startswith("An editor 1.0")
    assert "\x1b" not in facts["EXIF: software"].value, "no escape reaches a terminal"
    assert facts["EXIF: place"].value == "there"
    assert "52" not in str([fact.value for fact in facts.values() if fact.name.startswith("EXIF")])
    assert by_name(facts_of(saved("PNG", exif=exif), "x.png"))["EXIF: changed"].value == "2026:01:02 03:04:05"


@pytest.mark.parametrize(
    "hostile",
    [
        lambda: saved("PNG", pnginfo=_text("Comment", "A" * 1_000_000)),
        lambda: saved("JPEG", comment=b"<script>alert(1)</script>\x1b]0;x\x07" + b"y" * 60_000),
        lambda: _with_chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(200_000_000))),
        lambda: b"\xff\xd8" + b"\xff\xe0\0\2" * 500_000,
        lambda: b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0abcd\0\0\0\0" * 500_000,
        lambda: b"\xff\xd8" + b"\xff" * 2_000_000,
        lambda: saved("JPEG") + b"<x:xmpmeta" * 500_000,
        lambda: saved("JPEG") + b"<x:xmpmeta>" + b"<CreatorTool>" * 300_000 + b"</x:xmpmeta>",
        lambda: saved("JPEG") + b"<x:xmpmeta><a " + b'b="c" ' * 600_000 + b"></x:xmpmeta>",
    ],
    ids=[
        "long text",
        "script and escapes",
        "bomb",
        "segments",
        "chunks",
        "fill bytes",
        "beginnings",
        "tools",
        "attributes",
    ],
)
def test_hostile_metadata_is_cut_and_printable(hostile: Callable[[], bytes]) -> None:
    content = hostile()
    begun = time.process_time()
    facts = facts_of(content, "x")
    assert time.process_time() - begun < 5
    for fact in facts:
        text = (
            fact.value
            if isinstance(fact.value, str)
            else " ".join(map(str, fact.value))
            if isinstance(fact.value, list)
            else ""
        )
        assert text.isprintable()
        assert len(text) < 2 * LONGEST


def test_printable() -> None:
    assert (
        printable("a\u202eb\x1b[0m\n")
        == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}[0m\N{REPLACEMENT CHARACTER}"
    )
    assert printable(b"\xff") == "\N{REPLACEMENT CHARACTER}"
    assert printable("x" * 600).endswith("... (600 characters)")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF"]), st.integers(0, 2**31), st.integers(1, 30))
def test_mutations_never_raise(form: str, seed: int, count: int) -> None:
    """Half of the changes in the first and last bytes, where containers keep their structure."""
    generator = np.random.default_rng(seed)
    content = bytearray(marked(form))
    for k in range(count):
        place = int(generator.integers(-400, 400)) if k % 2 else int(generator.integers(len(content)))
        content[place] = int(generator.integers(256))
    cut = int(generator.integers(len(content)))
    with mock.patch.object(exiftool, "_program", return_value=None):  # a process each; it is tested by itself
        facts_of(bytes(content), "x")
        facts_of(bytes(content[:cut]), "x")


def _text(keyword: str, text: str) -> PngInfo:
    info = PngInfo()
    info.add_text(keyword, text)
    return info


def _with_chunk(kind: bytes, data: bytes) -> bytes:
    whole = saved("PNG")
    chunk = len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
    return whole[:33] + chunk + whole[33:]
