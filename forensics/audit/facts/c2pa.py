"""C2PA: what a verified manifest says, in words that claim no more than a signature can.

It reads no bytes: the manifest was verified in the confined worker (`datasets/manifests.py`), and what comes from there is
data like any other, bounded and made printable once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from .fact import Fact, printable
from .generators import text_fact
from .xmp import is_synthetic

MOST = 50
MEANINGS = {
    "trusted": "outside of the manifest itself the file is byte for byte what the signer signed, and the signer's root is among "
    "the given anchors; it does not say that the picture is true, nor whether the certificate was revoked since, which needs a "
    "network to know",
    "valid": "unchanged since it was signed, but by somebody whose root is not among the given anchors: anybody can make such "
    "a certificate, under any name",
    "invalid": "changed after it was signed, damaged, or signed with a certificate that does not hold",
    "absent": "nothing follows from it: most pictures never had a manifest, and platforms strip them",
    "unreadable": "the file, or a manifest in it, is damaged or not what it says",
    "unsupported": "manifests in files of this kind are not looked for",
    "not examined": "no manifest was looked for",
}
ELSEWHERE = "the file names an address for its manifest; it was not fetched, so nothing follows from it"
DECLARED = "declared by whoever wrote it, of the file or of what it was derived from"
EXCLUSIONS = "; parts of the file are left out of the signature"
RESTS_ON = (
    "the certificates that the signer was looked for under, as they were when this file was examined (custody has the time); "
    "neither revocation nor any other list was asked"
)
TIME = {
    "mismatch": "the time stamp is of something else than this signature",
    "outsideValidity": "stamped when the authority's certificate did not hold",
    "malformed": "the time stamp cannot be read",
    "untrusted": "stamped by an authority whose root is not among the given anchors: anybody can make such a stamp",
    "trusted": "stamped by an authority whose root is among the given anchors",
    "validated": "the stamp is whole; whether its authority can be trusted was not asked",
    "": "no authority vouches for when it was signed",
}
LISTS = {"actions": "done, as the manifest says", "agents": "the software that did it, as the manifest says"}


def facts_from(manifest: dict[str, Any], lists: Sequence[str] = ()) -> Iterator[Fact]:
    """The facts in the dictionary that `read_manifest` returns; `lists` names the trust lists it was verified against."""
    state, failures = printable(str(manifest.get("state"))), _texts(manifest, "failures")
    yield Fact("C2PA", state, _meaning(state, failures, _texts(manifest, "notes")))
    if issuer := _text(manifest, "issuer"):
        because = "the name in the certificate" + ("" if state == "trusted" else "; nobody vouches for it")
        yield Fact("C2PA: signer", issuer, because)
    if state in ("trusted", "valid", "invalid"):
        yield Fact("C2PA: trust lists", list(lists) or "none given", RESTS_ON)
        codes = [code.removeprefix("timeStamp.") for code in _texts(manifest, "time_stamp")]
        yield Fact("C2PA: time stamp", codes or "none", next((TIME[c] for c in codes if c in TIME), TIME[""]))
    if time := _text(manifest, "signed_at"):
        yield Fact("C2PA: signed at", time, "as its time stamp says")
    if generator := _text(manifest, "generator"):
        because = "the software that made the manifest, as it says of itself"
        yield text_fact("C2PA: generator", "generator", generator, because)
    if title := _text(manifest, "title"):
        yield Fact("C2PA: title", title)
    for name, because in LISTS.items():
        if values := _texts(manifest, name):
            declaring = next((f for value in values if (f := text_fact("", name, value)).declares), None)
            yield replace(declaring or Fact("", values, because), name=f"C2PA: {name}", value=values)
    yield from _sources(manifest)
    if failures:
        yield Fact("C2PA: failures", failures)


def _meaning(state: str, failures: list[str], notes: list[str]) -> str:
    if state == "absent" and "manifest.inaccessible" in failures:
        return ELSEWHERE
    meaning = MEANINGS.get(state, "")
    if state in ("invalid", "unreadable", "not examined") and failures:
        meaning += f": {', '.join(failures)}"
    return meaning + (EXCLUSIONS if any("additionalExclusions" in note for note in notes) else "")


def _sources(manifest: dict[str, Any]) -> Iterator[Fact]:
    for source_type in _texts(manifest, "source_types"):
        kind = source_type.rpartition("/")[2]
        declared = "synthetic" if is_synthetic(kind) else None
        yield Fact("C2PA: digital source type", kind, DECLARED, declares=declared)
    if placed := [source_type.rpartition("/")[2] for source_type in _texts(manifest, "component_source_types")]:
        yield Fact("C2PA: digital source types of parts", placed, "declared of pictures that were placed into it")


def _text(manifest: dict[str, Any], name: str) -> str:
    return printable(str(manifest.get(name) or ""))


def _texts(manifest: dict[str, Any], name: str) -> list[str]:
    values = manifest.get(name)
    return [printable(str(value)) for value in values[:MOST]] if isinstance(values, list) else []
