"""Signed reports: a copy that verifies, the original untouched, nothing but PDFs, and reasons for every refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from oddpixel import __version__
from oddpixel.datasets.manifests import read_manifest
from oddpixel.errors import UsageError
from oddpixel.forensics.audit.facts.c2pa import facts_from
from oddpixel.provenance import COMPUTED, sign_report
from tests import pki

pytest.importorskip("c2pa")


class Desk:
    """A report, credentials, and where the signed copy goes."""

    def __init__(self, folder: Path, who: pki.Credentials) -> None:
        self.who = who
        self.pdf, self.out, self.chain, self.key = (
            folder / name for name in ("a.pdf", "b.pdf", "chain.pem", "key.pem")
        )
        Pillow.new("RGB", (40, 40), "white").save(self.pdf, "PDF")
        self.chain.write_text(who.chain)
        self.key.write_text(who.key)

    def sign(self) -> None:
        sign_report(self.pdf, self.out, self.chain, self.key, "Report of case 7")

    def read(self) -> dict[str, Any]:
        with self.out.open("rb") as file:
            return read_manifest(file, "PDF", self.who.root)


@pytest.fixture(params=["es256"])
def desk(tmp_path: Path, request: pytest.FixtureRequest) -> Desk:
    return Desk(tmp_path, pki.credentials(request.param))


@pytest.mark.parametrize("desk", ["es256", "ps256", "ed25519"], indirect=True)
def test_a_signed_copy_verifies_and_the_report_is_untouched(desk: Desk) -> None:
    before = desk.pdf.read_bytes()
    desk.sign()
    assert desk.pdf.read_bytes() == before
    assert desk.out.read_bytes().startswith(b"%PDF")
    found = desk.read()
    assert (found["state"], found["issuer"], found["title"]) == ("trusted", pki.SIGNER, "Report of case 7")
    assert found["generator"] == f"OddPixel {__version__}"
    assert (found["actions"], found["source_types"], found["signed_at"]) == (["c2pa.created"], [COMPUTED], None)
    assert [fact.declares for fact in facts_from(found) if fact.declares] == [], "a report is no machine-made picture"


def test_a_changed_report_is_seen(desk: Desk) -> None:
    desk.sign()
    content = bytearray(desk.out.read_bytes())
    content[content.index(b"/Type")] ^= 1
    desk.out.write_bytes(content)
    assert desk.read()["state"] in ("invalid", "unreadable")


@pytest.mark.parametrize("start", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"", b" %PDF-1.4"])
def test_evidence_is_never_signed(desk: Desk, start: bytes) -> None:
    desk.pdf.write_bytes(start)
    with pytest.raises(UsageError, match="never evidence"):
        desk.sign()
    assert not desk.out.exists()


def test_the_report_is_never_overwritten(desk: Desk) -> None:
    before = desk.pdf.read_bytes()
    for other in (desk.pdf, desk.pdf.parent / "link.pdf"):
        if other != desk.pdf:
            other.symlink_to(desk.pdf)
        desk.out = other
        with pytest.raises(UsageError, match="the report itself"):
            desk.sign()
    assert desk.pdf.read_bytes() == before


def _other_key(desk: Desk) -> None:
    desk.key.write_text(pki.private_pem(pki.make_key()))


def _password(desk: Desk) -> None:
    desk.key.write_text(pki.private_pem(pki.make_key(), b"secret"))


def _only_the_root(desk: Desk) -> None:
    """A certificate that signed itself, with its own key: C2PA takes none."""
    root, key = pki.self_signed()
    desk.chain.write_text(root)
    desk.key.write_text(key)


def _run_out(desk: Desk) -> None:
    who = pki.credentials(days=10, started=30)
    desk.chain.write_text(who.chain)
    desk.key.write_text(who.key)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_other_key, "is not the key of the first certificate"),
        (_password, "without a password"),
        (lambda desk: desk.key.write_text("nonsense"), "holds no PEM private key"),
        (lambda desk: desk.chain.write_text("nonsense"), "holds no PEM certificates"),
        (lambda desk: desk.key.unlink(), "cannot be read"),
        (lambda desk: desk.pdf.unlink(), "cannot be read"),
        (lambda desk: desk.pdf.write_bytes(b"%PDF-1.4\nnothing of the kind"), "could not be signed"),
        (lambda desk: setattr(desk, "out", desk.out.parent / "no folder" / "b.pdf"), "cannot be written"),
        (_only_the_root, "could not be signed"),
        (_run_out, "could not be signed"),
    ],
)
def test_refusals_say_why(desk: Desk, spoil: Any, reason: str) -> None:
    spoil(desk)
    with pytest.raises(UsageError, match=reason):
        desk.sign()
    assert not desk.out.exists()


def test_a_curve_that_c2pa_does_not_sign_with(desk: Desk) -> None:
    root, key = pki.self_signed("secp256k1")
    desk.chain.write_text(root)
    desk.key.write_text(key)
    with pytest.raises(UsageError, match="use P-256"):
        desk.sign()


def test_without_the_package(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(UsageError, match=r"pip install 'oddpixel\[c2pa\]'"):
        desk.sign()
