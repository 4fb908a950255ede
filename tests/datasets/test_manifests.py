"""C2PA manifests: every state has a file that reaches it; hostile files and no network change nothing; words claim no more."""

from __future__ import annotations

import functools
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from oddpixel.datasets.confined import WORKER_ENVIRONMENT
from oddpixel.datasets.containers import CONTAINERS
from oddpixel.datasets.manifests import LONGEST, MOST, read_manifest
from oddpixel.forensics.audit.facts.c2pa import MEANINGS, facts_from
from oddpixel.forensics.audit.facts.fact import Fact
from oddpixel.provenance import c2pa_library
from tests import pki
from tests.conftest import ROOT
from tests.patience import PATIENCE

c2pa = pytest.importorskip("c2pa")

SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
GENERATED, CAPTURED = SOURCES + "trainedAlgorithmicMedia", SOURCES + "digitalCapture"
MEDIA_TYPES = {name: kind.media_type for name, kind in CONTAINERS.items() if kind.media_type is not None}
FORMS = {form: MEDIA_TYPES[form] for form in ("JPEG", "PNG", "WebP", "TIFF", "PDF", "HEIF")}


@functools.cache
def laboratory() -> pki.Credentials:
    return pki.credentials()


@functools.cache
def saved(form: str) -> bytes:
    if form == "HEIF":
        return (ROOT / "tests/fixtures/gradient.heic").read_bytes()
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    Pillow.fromarray(pixels).save(buffer, "WEBP" if form == "WebP" else form)
    return buffer.getvalue()


def signed(
    form: str,
    who: pki.Credentials | None = None,
    *,
    source: str = GENERATED,
    title: str = "a title",
    parent: tuple[bytes, str] | None = None,
    remote: str | None = None,
) -> bytes:
    """A small picture of that form, signed; or derived from `parent` (content, relationship)."""
    who = who or laboratory()
    actions = [{"action": "c2pa.created", "digitalSourceType": source, "softwareAgent": {"name": "a program"}}]
    if parent is not None and parent[1] == "parentOf":
        actions = [{"action": "c2pa.opened", "parameters": {"ingredientIds": ["one"]}}]  # type: ignore[dict-item]
    claim = {
        "title": title,
        "claim_generator_info": [{"name": "A tool", "version": "1.0"}],
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
    }
    settings = {"builder": {"thumbnail": {"enabled": False}}, "verify": {"remote_manifest_fetch": False}}
    signer = c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", who.chain.encode(), who.key.encode(), None))
    written = io.BytesIO()
    with c2pa.Context.from_dict(settings) as context, c2pa.Builder(claim, context) as builder, signer:
        if parent is not None:
            ingredient = {"title": "before", "relationship": parent[1], "label": "one"}
            builder.add_ingredient(ingredient, FORMS[form], io.BytesIO(parent[0]))
        if remote is not None:
            builder.set_no_embed()
            builder.set_remote_url(remote)
        builder.sign(signer, FORMS[form], io.BytesIO(saved(form)), written)
    return written.getvalue()


def read(content: bytes, form: str, anchors: str | None = None) -> dict[str, Any]:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        manifest = read_manifest(file, form, anchors)
    assert json.loads(json.dumps(manifest)) == manifest
    for value in manifest.values():
        for text in value if isinstance(value, list) else [value]:
            assert text is None or (len(text) <= LONGEST and text.isprintable())
    return manifest


def by_name(facts: list[Fact]) -> dict[str, Fact]:
    return {fact.name: fact for fact in facts}


@pytest.mark.parametrize("form", FORMS)
def test_trusted_only_under_the_given_root(form: str) -> None:
    content = signed(form)
    manifest = read(content, form, laboratory().root)
    assert manifest["state"] == "trusted"
    assert (manifest["issuer"], manifest["title"], manifest["signed_at"]) == (pki.SIGNER, "a title", None)
    assert manifest["generator"] == "A tool 1.0"
    assert (manifest["actions"], manifest["agents"], manifest["source_types"]) == (
        ["c2pa.created"],
        ["a program"],
        [GENERATED],
    )
    assert manifest["failures"] == []
    for anchors in (None, pki.credentials().root):
        stranger = read(content, form, anchors)
        assert (stranger["state"], stranger["failures"]) == ("valid", ["signingCredential.untrusted"])


@pytest.mark.parametrize("kind", ["ps256", "ed25519"])
def test_other_keys(kind: str, tmp_path: Path) -> None:
    from oddpixel.provenance import sign_report

    who = pki.credentials(kind)
    for name, text in (("chain.pem", who.chain), ("key.pem", who.key)):
        (tmp_path / name).write_text(text)
    (tmp_path / "report.pdf").write_bytes(saved("PDF"))
    sign_report(tmp_path / "report.pdf", tmp_path / "out.pdf", tmp_path / "chain.pem", tmp_path / "key.pem", "a report")
    assert read((tmp_path / "out.pdf").read_bytes(), "PDF", who.root)["state"] == "trusted"


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_one_flipped_bit_of_a_pixel_is_seen(form: str) -> None:
    content = bytearray(signed(form))
    content[-100] ^= 1  # inside the scan, and inside the last IDAT
    manifest = read(bytes(content), form, laboratory().root)
    assert manifest["state"] == "invalid"
    assert "assertion.dataHash.mismatch" in manifest["failures"]
    fact = by_name(list(facts_from(manifest)))["C2PA"]
    assert fact.because.startswith(MEANINGS["invalid"])
    assert "assertion.dataHash.mismatch" in fact.because


def test_a_certificate_out_of_its_time_is_invalid() -> None:
    who = pki.credentials(days=1)
    content = signed("JPEG", who)
    assert read(content, "JPEG", who.root)["state"] == "trusted"
    # What is signed now cannot be read in a year from here; a leaf that has run out is refused at signing.
    with pytest.raises(c2pa.C2paError):
        signed("JPEG", pki.credentials(days=10, started=30))


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_saving_again_loses_it(form: str) -> None:
    resaved = io.BytesIO()
    Pillow.open(io.BytesIO(signed(form))).save(resaved, form)
    assert read(resaved.getvalue(), form, laboratory().root)["state"] == "absent"
    assert read(saved(form), form)["state"] == "absent"
    assert "nothing follows" in by_name(list(facts_from(read(saved(form), form))))["C2PA"].because


def test_a_remote_manifest_is_not_fetched() -> None:
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:
        calls: list[object] = []
        server.settimeout(1.5)
        content = signed("JPEG", remote=f"http://127.0.0.1:{server.getsockname()[1]}/manifest.c2pa")
        waiting = threading.Thread(target=lambda: _note_call(server, calls))
        waiting.start()
        manifest = read(content, "JPEG", laboratory().root)
        waiting.join()
    assert (manifest["state"], manifest["failures"], calls) == ("absent", ["manifest.inaccessible"], [])
    assert "not fetched" in by_name(list(facts_from(manifest)))["C2PA"].because


def _note_call(server: Any, calls: list[object]) -> None:
    try:
        channel, caller = server.accept()
    except TimeoutError:
        return
    channel.close()
    calls.append(caller)


def test_what_it_was_derived_from_counts_and_what_was_placed_into_it_does_not() -> None:
    generated = signed("JPEG")
    opened = read(signed("JPEG", parent=(generated, "parentOf")), "JPEG", laboratory().root)
    assert (opened["state"], opened["actions"]) == ("trusted", ["c2pa.opened"])
    assert (opened["source_types"], opened["component_source_types"]) == ([GENERATED], [])
    collage = read(signed("JPEG", source=CAPTURED, parent=(generated, "componentOf")), "JPEG", laboratory().root)
    assert (collage["source_types"], collage["component_source_types"]) == ([CAPTURED], [GENERATED])
    assert by_name(list(facts_from(opened)))["C2PA: digital source type"].declares == "synthetic"
    assert [fact.declares for fact in facts_from(collage) if fact.declares] == []


@pytest.mark.parametrize("form", MEDIA_TYPES)
@pytest.mark.parametrize("content", [b"", b"nothing of the kind" * 100, b"\xff\xd8\xff", b"%PDF-1.4", bytes(1000)])
def test_garbage(form: str, content: bytes) -> None:
    assert read(content, form, laboratory().root)["state"] in ("absent", "unreadable")


def test_other_files_and_other_anchors() -> None:
    assert read(b"GIF89a", "GIF")["state"] == "unsupported"
    for anchors in ("", "no certificate", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"):
        manifest = read(signed("JPEG"), "JPEG", anchors)
        assert manifest["state"] in ("not examined", "valid"), anchors
        assert manifest["state"] == "valid" or "anchors" in manifest["failures"][0]


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    manifest = read(saved("JPEG"), "JPEG")
    assert manifest["state"] == "not examined"
    assert "not installed" in by_name(list(facts_from(manifest)))["C2PA"].because


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "PDF"])
def test_mutations_never_raise(form: str) -> None:
    """Anywhere: the manifest's own box headers and padding are not signed, so some change nothing."""
    generator = np.random.default_rng(0)
    whole, states = signed(form), set()
    for turn in range(50):
        content = bytearray(whole)
        for place in generator.integers(len(content), size=int(generator.integers(1, 20))):
            content[place] = generator.integers(256)
        if turn % 5 == 0:
            del content[int(generator.integers(len(content))) :]
        states.add(read(bytes(content), form, laboratory().root)["state"])
    assert "invalid" in states


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "PDF"])
def test_every_change_outside_of_the_manifest_is_seen(form: str) -> None:
    whole = signed(form)
    left_out = {place for start, length in exclusions(whole, form) for place in range(start, start + length)}
    assert len(left_out) < 4_000
    places = np.array([place for place in range(len(whole)) if place not in left_out])
    for place in np.random.default_rng(0).choice(places, 50, replace=False):
        content = bytearray(whole)
        content[place] ^= 1
        assert read(bytes(content), form, laboratory().root)["state"] not in ("trusted", "valid"), place
    assert read(whole + b"appended", form, laboratory().root)["state"] == "invalid"


def exclusions(content: bytes, form: str) -> list[tuple[int, int]]:
    """(start, length) of the bytes that the signature leaves out: the manifest in its container."""
    with (
        c2pa.Context.from_dict({}) as context,
        c2pa.Reader(FORMS[form], io.BytesIO(content), context=context) as reader,
    ):
        store = json.loads(reader.detailed_json())
    ranges = store["manifests"][store["active_manifest"]]["assertion_store"]["c2pa.hash.data"]["exclusions"]
    return [(span["start"], span["length"]) for span in ranges]


def test_text_of_a_manifest_is_cut_and_printable() -> None:
    manifest = read(signed("JPEG", title="\x1b]0;<script>\x07\u202e" + "A" * 100_000), "JPEG", laboratory().root)
    assert len(manifest["title"]) == LONGEST
    facts = by_name(list(facts_from(manifest)))
    assert facts["C2PA: title"].value.isprintable()


def test_facts_of_a_worker_that_lies() -> None:
    lie = {
        "state": "\x1b[31m",
        "issuer": {"a": 1},
        "failures": 3,
        "source_types": [["\x07"]] * 1000,
        "actions": ["x" * 10**6],
    }
    for fact in facts_from(lie):
        for text in fact.value if isinstance(fact.value, list) else [fact.value]:
            assert text.isprintable()
            assert len(text) < 2 * LONGEST
    assert len(list(facts_from(lie))) < 2 * MOST


def test_a_name_that_nobody_vouches_for() -> None:
    content = signed("JPEG", pki.credentials(signer="Well-known Camera Maker"))
    facts = by_name(list(facts_from(read(content, "JPEG", laboratory().root))))
    assert facts["C2PA"].value == "valid"
    assert "anybody" in facts["C2PA"].because
    assert "nobody vouches" in facts["C2PA: signer"].because


CONFINED = """
import json, sys
from oddpixel.provenance import c2pa_library
if sys.argv[1] == "before":
    c2pa_library()
from oddpixel.datasets.confinement import confine
from oddpixel.datasets.containers import CONTAINERS
from oddpixel.datasets.manifests import read_manifest
anchors = sys.argv[2]
files = [(open(path, "rb"), form) for path, form in zip(sys.argv[3::2], sys.argv[4::2])]
import os
threads = len(os.listdir("/proc/self/task")) if sys.platform == "linux" else 1
held = confine(6 * 2**30)
found = [read_manifest(file, form, anchors)["state"] for file, form in files]
print(json.dumps([held, found, threads]))
"""


@pytest.mark.parametrize("imported", ["before", "after"])
def test_under_confinement(imported: str, tmp_path: Path) -> None:
    broken = bytearray(signed("JPEG"))
    broken[-100] ^= 1
    files = {form: signed(form) for form in FORMS} | {
        "broken": bytes(broken),
        "plain": saved("JPEG"),
        "none": b"junk" * 9,
    }
    arguments = []
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        arguments += [str(tmp_path / name), name if name in FORMS else "JPEG"]
    result = subprocess.run(
        [sys.executable, "-I", "-B", "-c", CONFINED, imported, laboratory().root, *arguments],
        capture_output=True, text=True, check=True, timeout=PATIENCE, env=WORKER_ENVIRONMENT | {"RAYON_NUM_THREADS": "1"},
    )  # fmt: skip
    confined, manifests, threads = json.loads(result.stdout)
    assert manifests == ["trusted"] * len(FORMS) + ["invalid", "absent", "unreadable"]
    assert threads == 1, "a thread from before would keep the network and the file system"
    if sys.platform == "linux":
        assert confined["no_new_privileges"]


@pytest.mark.skipif(not sys.platform.startswith("linux") or shutil.which("cc") is None, reason="plants an ELF library")
def test_a_library_planted_in_the_working_directory_is_not_loaded(tmp_path: Path) -> None:
    subprocess.run(["cc", "-shared", "-x", "c", "-o", str(tmp_path / "libc2pa_c.so"), "/dev/null"], check=True)

    def loads(statement: str) -> str:
        command = [sys.executable, "-I", "-B", "-c", statement]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False)
        return "loaded" if result.returncode == 0 else result.stderr

    ours = "from oddpixel.provenance import c2pa_library; c2pa_library(); import os; assert 'C2PA_LIBRARY_NAME' not in os.environ"
    assert loads(ours) == "loaded"
    assert "missing required function" in loads("import c2pa"), "the reason for all this is gone: simplify c2pa_library"


def test_the_environment_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("C2PA_LIBRARY_NAME", "mine")
    c2pa_library()
    assert os.environ["C2PA_LIBRARY_NAME"] == "mine"
