"""Declared generators: every form of the table, in every field of every container; and photographs that declare nothing."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from html import escape
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from oddpixel.forensics.audit.facts import c2pa, exiftool, facts_of
from oddpixel.forensics.audit.facts.generators import CAPTIONS, FORMS, Form, declared

PICTURE = Pillow.fromarray(np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8))
USER_COMMENT, DETAILS = 0x9286, 0x8769

GRAPH = '{"3": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 20}}}'
WORKFLOW = '{"last_node_id": 9, "nodes": [{"id": 7, "type": "CLIPTextEncode"}], "links": []}'
JOB = "Job ID: 1c1a5b7e-3f0e-4d05-9d4c-0a1b2c3d4e5f"

# One text for each row of the table, in its order: the field it stands in where that matters, and the text.
EXAMPLES = [
    ("Software", "Fooocus v2.5.5"),
    ("fooocus_scheme", "fooocus"),
    ("parameters", '{"prompt": "a cat", "base_model": "juggernautXL", "sharpness": 2.0}'),
    ("parameters", "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 965400086, Size: 512x512"),
    ("parameters", "a cat\nSteps: 20"),
    ("parameters", "a cat\nNegative prompt: dogs\nSteps: 20"),
    ("parameters", '{"sui_image_params": {"prompt": "a cat", "model": "sdxl"}}'),
    ("prompt", GRAPH),
    ("invokeai_metadata", '{"app_version": "5.4.0"}'),
    ("invokeai_metadata", '{"generation_mode": "txt2img", "positive_prompt": "a cat", "steps": 30}'),
    ("sd-metadata", '{"model": "stable diffusion", "app_id": "invoke-ai/InvokeAI", "app_version": "2.2.4"}'),
    ("sd-metadata", '{"model_weights": "stable-diffusion-1.5", "app_version": "v2.1.3", "image": {"prompt": []}}'),
    ("Dream", '"a cat" -s 50 -S 2293498114 -W 512 -H 512 -C 7.5 -A k_lms'),
    ("Dream", '"a cat" -s 50 -S 42'),
    ("UserComment", '{"c": "a cat", "seedMode": "Scale Alike", "sampler": "DPM++ 2M", "steps": 20}'),
    ("Software", "NovelAI"),
    ("Source", "Stable Diffusion XL C1E1DE52"),
    ("Comment", '{"steps": 28, "sampler": "k_euler", "seed": 1, "scale": 11.0, "uc": "lowres"}'),
    ("Comment", '{"prompt": "a cat", "seed": 1, "num_inference_steps": 25}'),
    ("use_stable_diffusion_model", "sd-v1-5"),
    ("Description", f"a cat --ar 3:2 --v 6.1 {JOB}"),
    ("UserComment", '{"prompt": "a cat", "seed": 1, "cfg_scale": 7}'),
    ("Credit", "Made with Google AI"),
    ("Credit", "Imagined with AI"),
    ("Software", "AI generated;txt2img;flux"),
    ("AIGC", '{"Label": "1", "ContentProducer": "someone"}'),
    ("AIGC", '{"AIGC": {"Label": "1", "ContentProducer": "someone"}}'),
    ("Comment", "Synthetic image, made by OddPixel 0.1.0 (model digits)."),
    ("Software", "OddPixel 0.1.0: digits, seed 3"),
    ("Software", "Adobe Firefly"),
]
# Other texts of the same forms.
MORE = [
    ("workflow", WORKFLOW),
    ("Make", f"workflow:{WORKFLOW}"),
    ("Model", f"prompt:{GRAPH}"),
    ("workflow", '{"nodes": [], "links": [], "definitions": {"subgraphs": [' + WORKFLOW + "]}}"),
    ("prompt", '{"1": {"class_type": "OpenAIGPTImage1", "inputs": {"prompt": "a cat"}}}'),
    ("Description", "a cat --ar 3:2 --v 6.1"),
    ("Description", f"a cat --stylize 250 --style raw {JOB}"),
    ("Comment", "Steps: 20, Sampler: Euler"),
    ("Comment", "Steps: 28, Size: 1024x1024, Sampler: Default, Seed: 5, CFG scale: 6"),
    ("Comment", "Steps: 20, Sampler: DPM++ 2M SDE Karras, Seed: 5"),
    ("CreatorTool", "stable-diffusion-xl-base-1.0"),
    ("Software", "Image Creator from Microsoft Designer"),
    ("Software", "NovelAI generated image"),
    ("AIGC", '{"ContentProducer": "x", "Label": 1}'),
]


@pytest.fixture(autouse=True)
def _without_exiftool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exiftool, "_program", lambda: None)  # a process for each file; it declares nothing


def saved(form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    PICTURE.save(buffer, form, **options)
    return buffer.getvalue()


def synthetic(content: bytes) -> bool:
    return any(fact.declares == "synthetic" for fact in facts_of(content, "x"))


def exif(text: str, tag: int = USER_COMMENT, code: str = "utf-16-be") -> Pillow.Exif:
    block = Pillow.Exif()
    block[0x0132] = "2026:01:02 03:04:05"  # Pillow leaves out a block without a tag of its own
    if tag == USER_COMMENT:
        marked = b"UNICODE\0" + text.encode(code) if code.startswith("utf-16") else b"ASCII\0\0\0" + text.encode(code)
        block.get_ifd(DETAILS)[tag] = marked
    else:
        block[tag] = text
    return block


def xmp(key: str, text: str) -> bytes:
    """As an element, with a list in it, as Adobe's toolkit writes texts in languages."""
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" xmlns:p="http://a.b/c/">'
        f'<p:{key}><rdf:Alt><rdf:li xml:lang="x-default">{escape(text)}</rdf:li></rdf:Alt></p:{key}>'
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def png_text(key: str, text: str, kind: str = "tEXt") -> bytes:
    info = PngInfo()
    if kind == "iTXt":
        info.add_itxt(key, text, zip=True)
    else:
        info.add_text(key, text, zip=kind == "zTXt")
    return saved("PNG", pnginfo=info)


def iim(text: str, number: int = 120) -> bytes:
    value = text.encode()
    return b"\x1c\x02" + bytes([number]) + struct.pack(">H", len(value)) + value


def jpeg_with_iptc(text: str) -> bytes:
    block = iim(text)
    resource = b"8BIM" + struct.pack(">HBxI", 0x0404, 0, len(block)) + block + bytes(len(block) % 2)
    segment = b"Photoshop 3.0\0" + resource
    plain = saved("JPEG")
    return plain[:2] + b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]


def raw_profile(block: bytes) -> bytes:
    digits = (b"Exif\0\0" + block).hex()
    lines = "\n".join(digits[k : k + 72] for k in range(0, len(digits), 72))
    return png_text("Raw profile type exif", f"\nexif\n{len(digits) // 2:8d}\n{lines}\n", "zTXt")


def gif_with_comments(texts: list[str]) -> bytes:
    """Cut into blocks of 255 bytes, wherever letters end."""
    whole = saved("GIF")
    blocks = b""
    for text in texts:
        data = text.encode()
        parts = [data[k : k + 255] for k in range(0, len(data), 255)]
        blocks += b"\x21\xfe" + b"".join(bytes([len(part)]) + part for part in parts) + b"\0"
    return whole[:-1] + blocks + b";"


def pnm_comment(text: str) -> bytes:
    return b"".join(b"# " + line.encode() + b"\n" for line in text.splitlines())


def tiff_pages(tag: int, data: bytes, page: int, **options: Any) -> bytes:
    """Three pages, with this tag in one of them."""
    import tifffile

    file = io.BytesIO()
    with tifffile.TiffWriter(file, **options) as out:
        for k in range(3):
            tags = [(tag, 2 if tag == 270 else 1, len(data), data, True)] if k == page else []
            out.write(np.zeros((8, 8), np.uint8), photometric="minisblack", metadata=None, extratags=tags)
    return file.getvalue()


def jpeg_xl(kind: bytes, data: bytes) -> bytes:
    import imagecodecs

    def box(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(content)) + name + content

    head = b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    return head + box(b"brob", kind + imagecodecs.brotli_encode(data)) + box(b"jxlc", b"\xff\x0a")


PLACES: dict[str, Callable[[str, str], bytes]] = {
    "PNG tEXt": lambda key, text: png_text(key, text),
    "PNG zTXt": lambda key, text: png_text(key, text, "zTXt"),
    "PNG iTXt, compressed": lambda key, text: png_text(key, text, "iTXt"),
    "PNG EXIF": lambda key, text: saved("PNG", exif=exif(text)),
    "PNG raw profile": lambda key, text: raw_profile(exif(text).tobytes().removeprefix(b"Exif\0\0")),
    "PNG XMP": lambda key, text: png_text("XML:com.adobe.xmp", xmp(key, text).decode(), "iTXt"),
    "JPEG comment": lambda key, text: saved("JPEG", comment=text.encode()),
    "JPEG EXIF": lambda key, text: saved("JPEG", exif=exif(text)),
    "JPEG EXIF, little-endian text": lambda key, text: saved("JPEG", exif=exif(text, code="utf-16-le")),
    "JPEG EXIF, ASCII": lambda key, text: saved("JPEG", exif=exif(text, code="ascii")),
    "JPEG EXIF description": lambda key, text: saved("JPEG", exif=exif(text, 0x010E)),
    "JPEG XMP": lambda key, text: saved("JPEG", xmp=xmp(key, text)),
    "JPEG IPTC": lambda key, text: jpeg_with_iptc(text),
    "WebP EXIF": lambda key, text: saved("WEBP", exif=exif(text)),
    "WebP XMP": lambda key, text: saved("WEBP", xmp=xmp(key, text)),
    # Pillow writes no EXIF directory into a TIFF; a TIFF's first directory is what an EXIF block consists of.
    "TIFF EXIF": lambda key, text: exif(text).tobytes().removeprefix(b"Exif\0\0"),
    "TIFF description": lambda key, text: saved("TIFF", tiffinfo={270: text}),
    "TIFF XMP": lambda key, text: saved("TIFF", tiffinfo={700: xmp(key, text)}),
    "TIFF IPTC": lambda key, text: saved("TIFF", tiffinfo={33723: iim(text)}),
    "AVIF EXIF": lambda key, text: saved("AVIF", exif=exif(text)),
    "AVIF XMP": lambda key, text: saved("AVIF", xmp=xmp(key, text)),
    "GIF comment": lambda key, text: saved("GIF", comment=text.encode()),
    "GIF comment behind others": lambda key, text: gif_with_comments([*["résumé"] * 25, text]),
    "PGM comment": lambda key, text: b"P5\n" + pnm_comment(text) + b"8 8\n255\n" + bytes(64),
    "PAM comment": lambda key, text: (
        b"P7\nWIDTH 8\n" + pnm_comment(text) + b"HEIGHT 8\nDEPTH 1\nMAXVAL 255\nENDHDR\n" + bytes(64)
    ),
    "BigTIFF description": lambda key, text: tiff_pages(270, text.encode(), 0, bigtiff=True),
    "TIFF description, second page": lambda key, text: tiff_pages(270, text.encode(), 1),
    "BigTIFF XMP, third page": lambda key, text: tiff_pages(700, xmp(key, text), 2, bigtiff=True),
    "JPEG XL EXIF, Brotli": lambda key, text: jpeg_xl(
        b"Exif", bytes(4) + exif(text).tobytes().removeprefix(b"Exif\0\0")
    ),
    "JPEG XL XMP, Brotli": lambda key, text: jpeg_xl(b"xml ", xmp(key, text)),
}
# Places whose field has a name of its own; in the others a text must tell by itself.
NAMED = (
    "BigTIFF XMP, third page",
    "JPEG XL XMP, Brotli",
    "PNG tEXt",
    "PNG zTXt",
    "PNG iTXt, compressed",
    "PNG XMP",
    "JPEG XMP",
    "WebP XMP",
    "TIFF XMP",
    "AVIF XMP",
)


def test_every_row_has_an_example() -> None:
    assert len(EXAMPLES) == len(FORMS)
    for (key, text), form in zip(EXAMPLES, FORMS, strict=True):
        assert form.fits(key.lower(), text), form
        assert (found := declared(key.lower(), text)) is not None
        assert found.generator == form.generator or form.generator in ("a diffusion model", "InvokeAI"), found


@pytest.mark.parametrize(("key", "text"), MORE)
def test_other_texts_of_the_same_forms(key: str, text: str) -> None:
    assert synthetic(png_text(key, text))
    assert synthetic(saved("JPEG", xmp=xmp(key, text)))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", range(len(FORMS)), ids=lambda k: f"{k}-{FORMS[k].generator}")
def test_every_form_in_every_container(number: int, place: str) -> None:
    key, text = EXAMPLES[number]
    form = FORMS[number]
    if place in NAMED or form.key is None or form.key == CAPTIONS:
        assert synthetic(PLACES[place](key, text)), f"{form.generator} in {place}"


@pytest.mark.parametrize("tag", [0x0131, 0x010F, 0x0110], ids=["software", "maker", "camera"])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_program_is_named_in_exif(form: str, tag: int) -> None:
    assert synthetic(saved(form, exif=exif("Stable Diffusion XL", tag)))
    assert not synthetic(saved(form, exif=exif("Adobe Photoshop 25.4", tag)))


@pytest.mark.parametrize(
    "program", ["DALL·E 3", "Adobe_Firefly", "ChatGPT", "Midjourney 6", "GPT-4o", "Gemini 2.5 Flash Image"]
)
def test_programs_by_name(program: str) -> None:
    form = declared("software", program)
    assert form is not None
    assert form.generator == "a program that makes images"
    assert declared("description", f"about {program}") is None, "a text about a program is no declaration"


@pytest.mark.parametrize(
    "value",
    [
        "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        "https://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
        "trainedAlgorithmicMedia",
        "TrainedAlgorithmicMedia",
    ],
)
@pytest.mark.parametrize("place", [each for each in NAMED if "XMP" in each])
def test_digital_source_types(value: str, place: str) -> None:
    assert synthetic(PLACES[place]("DigitalSourceType", value))
    as_attribute = xmp("x", "y").replace(
        b'rdf:about=""', f'rdf:about="" Iptc4xmpExt:DigitalSourceType="{value}"'.encode()
    )
    assert synthetic(saved("JPEG", xmp=as_attribute))
    assert not synthetic(PLACES[place]("DigitalSourceType", "digitalCapture"))


@pytest.mark.parametrize(
    ("manifest", "is_declared"),
    [
        ({"actions": ["c2pa.created"], "agents": ["DALL·E"]}, True),
        ({"actions": ["c2pa.created"], "agents": ["Adobe Firefly 2.0"]}, True),
        ({"actions": ["c2pa.opened", "c2pa.created"], "agents": ["Adobe Photoshop 25.4", "Adobe Firefly"]}, True),
        ({"generator": "Adobe_Firefly 1.0"}, True),
        ({"generator": "ChatGPT"}, True),
        ({"source_types": ["http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"]}, True),
        ({"actions": ["c2pa.opened"], "agents": ["Adobe Photoshop 25.4"], "generator": "Adobe_Photoshop 25.4"}, False),
        ({"actions": ["c2pa.created"], "agents": ["Leica M11-P"], "generator": "Leica Camera"}, False),
        ({"generator": "Google C2PA Core Generator Library"}, False),
    ],
)
def test_actions_and_agents_of_c2pa(manifest: dict[str, Any], is_declared: bool) -> None:
    facts = list(c2pa.facts_from({"state": "valid", **manifest}))
    assert any(fact.declares == "synthetic" for fact in facts) == is_declared
    assert {fact.name for fact in facts} == {
        *("C2PA", "C2PA: trust lists", "C2PA: time stamp"),
        *(f"C2PA: {name.replace('source_types', 'digital source type')}" for name in manifest),
    }


def test_extended_xmp_and_utf_16() -> None:
    packet = xmp("UserComment", "Steps: 20, Sampler: Euler")
    extension = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">I", len(packet))
    half = len(packet) // 2
    plain = saved("JPEG")
    parts = [extension + struct.pack(">I", start) + packet[start:end] for start, end in ((half, None), (0, half))]
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part for part in parts)
    assert synthetic(plain[:2] + segments + plain[2:])
    assert synthetic(saved("JPEG", xmp=packet.decode().encode("utf-16-le")))


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("Comment", "Steps to the church; seed shop, sampler of cakes"),
        ("parameters", "exposure 1/60, gain 3"),
        ("prompt", "say cheese"),
        ("workflow", "scan, crop, save"),
        ("Software", "GIMP 2.10"),
        ("Software", "Adobe Photoshop 25.4 (Windows)"),
        ("Make", "Canon"),
        ("Model", "Pixel 8 Pro"),
        ("Title", "Imagination"),
        ("Description", "how to run prog --verbose"),
        ("Comment", '{"steps": 3, "distance": 4}'),
        ("Author", "Midjourney fan"),
        ("Description", "AP Photo / " + JOB),
        ("Description", "Print order --rush " + JOB),
        ("Description", "render with ffmpeg --ar 48000 --v 5"),
        ("Description", "ffmpeg -ar 48000 -v 5"),
        ("Description", "tool --v 5"),
        ("Description", "Engine test bench --v 6 --ar 16:9 crop"),
        ("Description", "Steps: 20, up the lighthouse. Seed: sunflower. Sampler: audio device, Size: large"),
        ("Description", "Recipe card. Steps: 4, Size: A4, Seed: sesame, Model: Anna"),
        ("Description", "Steps: 4, Sampler: Euler and friends"),
        ("Description", "The Fooocus v2 release party"),
        ("Description", "Poster: Made with Google AI, seen in Berlin"),
        ("Description", 'How to read {"AIGC": {"Label": "1"}} in a file'),
        ("Description", 'Slide with {"prompt": "a cat", "seed": 1, "steps": 20} on it'),
        ("workflow", '{"nodes": [{"id": "n1", "type": "scanner"}], "connections": {}}'),
        ("workflow", '{"nodes": ["scan", "crop"], "links": [], "steps": 2}'),
        (
            "workflow",
            '{"nodes": [{"id": 1, "type": "LoadImage"}, {"id": 2, "type": "KSampler", "mode": 4}], "links": []}',
        ),
        ("prompt", '{"1": {"class_type": "scan", "inputs": {}}}'),
        ("prompt", '{"1": {"class_type": "LoadImage", "inputs": {}}, "2": {"class_type": "ImageScale", "inputs": {}}}'),
        ("AIGC", '{"Label": "0"}'),
        ("Make", "Midjourney Optics"),
        ("Model", "NovelAI Cam"),
        ("Software", "Ideogram Pen Scanner"),
        ("Software", "NightCafe Photo Booth"),
        ("Software", "Photos of Midjourney HQ v1"),
        ("Software", "Photoshop (with Stable Diffusion plugin not used)"),
        ("Credit", "OpenAI"),
        ("Source", "Midjourney"),
        ("Title", "Midjourney"),
    ],
)
@pytest.mark.parametrize("place", PLACES)
def test_other_texts_declare_nothing(key: str, text: str, place: str) -> None:
    assert not synthetic(PLACES[place](key, text))


@pytest.mark.parametrize("tag", [0x0131, 0x010F, 0x0110], ids=["software", "maker", "camera"])
@pytest.mark.parametrize(
    "text", ["Midjourney Optics", "Ideogram Pen Scanner", "DreamStudio Portraits GmbH", "Dallemagne"]
)
def test_names_of_other_makers_declare_nothing(text: str, tag: int) -> None:
    assert not synthetic(saved("JPEG", exif=exif(text, tag)))


@pytest.mark.parametrize(
    "text",
    [
        "Job ID: 1 " * 200_000,
        " " * 1_999_000 + "x",
        "{Label:1 " * 200_000,
        "Steps: 20; Seed: " * 100_000,
        "{" * 2_000_000,
    ],
)
def test_hostile_texts_have_no_form(text: str) -> None:
    assert all(declared(key, text) is None for key in ("description", "aigc", "parameters", "software", "source"))


def test_a_row_that_is_lost_is_missed() -> None:
    """The test above can fail: without its row a form is not seen."""
    key, text = EXAMPLES[7]
    without = tuple(form for form in FORMS if form.generator != "ComfyUI")
    assert not any(form.fits(key.lower(), text) for form in without)
    assert isinstance(FORMS[7], Form)


def test_a_graph_without_inputs_is_a_graph() -> None:
    from oddpixel.forensics.audit.facts.comfyui import is_generation

    assert is_generation('prompt:{"3":{"class_type":"KSampler"}}')
    assert not is_generation('prompt:{"3":{"class_type":"LoadImage"}}')


LOAD, SAVE = '{"class_type": "LoadImage", "inputs": {}}', '{"class_type": "SaveImage", "inputs": {"images": ["%s", 0]}}'
SAMPLER = '{"class_type": "KSampler", "inputs": {"latent_image": ["1", 0]}}'
NODES = '{"id": 1, "type": "LoadImage"}, {"id": 2, "type": "KSampler"}, {"id": 3, "type": "SaveImage"}'


@pytest.mark.parametrize(
    ("text", "is_declared"),
    [
        (f'{{"1": {LOAD}, "2": {SAMPLER}, "3": {SAVE % 2}}}', True),
        (f'{{"1": {LOAD}, "2": {SAMPLER}, "3": {SAVE % 1}}}', False),
        (f'{{"1": {LOAD}, "2": {{"class_type": "CLIPTextEncode", "inputs": {{}}}}, "3": {SAVE % 1}}}', False),
        (f'{{"nodes": [{NODES}], "links": [[1, 1, 0, 2, 0, "X"], [2, 2, 0, 3, 0, "IMAGE"]]}}', True),
        (f'{{"nodes": [{NODES}], "links": [{{"origin_id": 2, "target_id": 3}}]}}', True),
        (f'{{"nodes": [{NODES}], "links": [[1, 1, 0, 3, 0, "IMAGE"]]}}', False),
        (f'{{"nodes": [{NODES}], "links": []}}', False),
        (f'{{"nodes": [{NODES}], "links": ["x", [1], {{}}, null]}}', False),
    ],
)
def test_a_node_of_a_graph_that_loads_a_picture_declares_only_where_it_is_used(text: str, is_declared: bool) -> None:
    from oddpixel.forensics.audit.facts.comfyui import is_generation

    assert is_generation(text) == is_declared
