"""C2PA manifests, verified offline (C2PA 2.2, clause 15): who signed a file, whether it changed since, what it declares.

    read_manifest(file, "JPEG", anchors)["state"]  # "trusted", "valid", "invalid", "absent", ...

Nothing is fetched: no remote manifest, no revocation list, no identity document. Nobody is trusted but the given anchors.

Made for the confined decoding worker, where it was measured (c2pa-python 0.38.1): the same answers without network and file
writes, imported before `confine` or after. Import before (`oddpixel.provenance.c2pa_library`): it starts no thread, and so no
code is loaded once an untrusted byte was read. A PDF starts a thread a core, inside the confinement; `RAYON_NUM_THREADS=1` in the
worker's environment keeps it to one, whose memory is foreseeable. A file is held in memory once (243 MB of PNG: 230 MB).
Where memory runs out the native code ends the process, which no `except` sees: the reader then says that the decoder died.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from oddpixel.provenance import c2pa_library

from .containers import CONTAINERS

STATES = {"Trusted": "trusted", "Valid": "valid", "Invalid": "invalid"}
LONGEST, MOST = 500, 50  # characters of a text, entries of a list
# No host may be asked, whatever else is set: measured with a remote manifest whose fetching was left on.
OFFLINE = {
    "verify": {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False},
    "core": {
        "allowed_network_hosts": [],
        "decode_identity_assertions": False,
        "max_decompressed_manifest_size_in_mb": 64,
    },
}


def read_manifest(file: BinaryIO, container: str, anchors: str | None) -> dict[str, Any]:
    """Read and verify a file's C2PA manifest. Never raises on a file's content.

    Arguments:
        file: read from its beginning; left anywhere.
        container: a name of `CONTAINERS`; of one without a media type the state is "unsupported".
        anchors: PEM certificates that may be trusted. Without any, the best state is "valid".

    Returns:
        Plain JSON, texts of at most 500 printable characters, lists of at most 50:
        state: trusted | valid | invalid | absent | unreadable | unsupported | not examined.
        issuer: organisation in the signer's certificate, title, generator, signed_at: text or None.
        actions, agents: what was done, and with which software (to its parents too), as the manifest says.
        source_types: digital source types, of the file and of what it was derived from.
        component_source_types: of pictures that were placed into it.
        time_stamp: C2PA's status codes about the time stamp.
        failures, notes: its other status codes, or what stopped the reading.
    """
    kind = CONTAINERS.get(container)
    if kind is None or kind.media_type is None:
        return _answer("unsupported")
    try:
        c2pa = c2pa_library()
    except ImportError as error:
        return _answer("not examined", failures=_texts([str(error)]))
    try:
        context = c2pa.Context.from_dict(OFFLINE | _trust(anchors))
    except Exception as error:  # the anchors' fault, not the file's
        return _answer("not examined", failures=_texts([f"the trust anchors cannot be used: {error}"]))
    try:
        file.seek(0)
        with context, c2pa.Reader(kind.media_type, file, context=context) as reader:
            return _described(json.loads(reader.json()))
    except c2pa.C2paError.ManifestNotFound:
        return _answer("absent")
    except Exception as error:  # of a hostile file anything may come
        # The library has no class for it: the file names an address, where a manifest may lie or not.
        if str(error).startswith("Remote:"):
            return _answer("absent", failures=["manifest.inaccessible"])
        return _answer("unreadable", failures=_texts([f"{type(error).__name__.removeprefix('_')}: {error}"]))


def _trust(anchors: str | None) -> dict[str, Any]:
    """The library takes text without a certificate in silence, and then trusts nobody."""
    if anchors is not None and "-----BEGIN CERTIFICATE-----" not in anchors:
        raise ValueError("they hold no PEM certificate")
    return {} if anchors is None else {"trust": {"user_anchors": anchors}}


def _answer(state: str, **fields: Any) -> dict[str, Any]:
    texts = dict.fromkeys(("issuer", "title", "generator", "signed_at"))
    lists = ("actions", "agents", "source_types", "component_source_types", "time_stamp", "failures", "notes")
    return {"state": state} | texts | {name: [] for name in lists} | fields


def _described(store: dict[str, Any]) -> dict[str, Any]:
    manifests = _dict(store.get("manifests"))
    line = _lineage(manifests, store.get("active_manifest"))
    active = _dict(manifests.get(line[0])) if line else {}
    signature, (own, placed) = _dict(active.get("signature_info")), _declared(manifests, line)
    tool = next(iter(_dicts(active.get("claim_generator_info"))), {"name": active.get("claim_generator")})
    own_actions = list(_actions(active))
    return _answer(
        STATES.get(str(store.get("validation_state")), "invalid"),
        issuer=_text(signature.get("issuer")),
        title=_text(active.get("title")),
        generator=_text(" ".join(part for part in (tool.get("name"), tool.get("version")) if isinstance(part, str))),
        signed_at=_text(signature.get("time")),
        actions=_texts(action.get("action") for action in own_actions),
        agents=_texts(_agent(action) for label in line for action in _actions(_dict(manifests[label]))),
        source_types=_texts(own),
        component_source_types=_texts(placed),
        time_stamp=_texts(_time_stamp(store)),
        failures=_texts(_codes(store, "failure")),
        notes=_texts(_codes(store, "informational")),
    )


def _lineage(manifests: dict[str, Any], active: Any) -> list[str]:
    """The active manifest, then those of the files that it was derived from.

    Where an editor saves a generated picture, its manifest says "opened", and the one behind it "generated".
    """
    line = [active] if active in manifests else []
    for label in line:  # grows
        for ingredient in _dicts(_dict(manifests[label]).get("ingredients")):
            parent = ingredient.get("active_manifest")
            is_new = parent in manifests and parent not in line and len(line) < MOST
            if ingredient.get("relationship") == "parentOf" and is_new:
                line.append(parent)
    return line


def _actions(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for assertion in _dicts(manifest.get("assertions")):
        if str(assertion.get("label")).startswith("c2pa.actions"):
            yield from _dicts(_dict(assertion.get("data")).get("actions"))


def _declared(manifests: dict[str, Any], line: list[str]) -> tuple[list[Any], list[Any]]:
    """Digital source types: of the file and of what it was derived from; of everything else that went into it."""
    own: list[Any] = []
    placed: list[Any] = []
    for label in [*line, *(unrelated for unrelated in manifests if unrelated not in line)]:
        manifest, is_own = _dict(manifests[label]), label in line
        (own if is_own else placed).extend(action.get("digitalSourceType") for action in _actions(manifest))
        for ingredient in _dicts(manifest.get("ingredients")):  # one without a manifest can carry its type itself
            is_parent = is_own and ingredient.get("relationship") == "parentOf"
            (own if is_parent else placed).append(ingredient.get("digital_source_type"))
    return own, placed


def _agent(action: dict[str, Any]) -> Any:
    agent = action.get("softwareAgent")
    return agent.get("name") if isinstance(agent, dict) else agent


def _codes(store: dict[str, Any], kind: str) -> Iterator[Any]:
    """Status codes of the file, then of what it was made from."""
    results = _dict(store.get("validation_results"))
    deltas = (_dict(delta.get("validationDeltas")) for delta in _dicts(results.get("ingredientDeltas")))
    for part in (_dict(results.get("activeManifest")), *deltas):
        for status in _dicts(part.get(kind)):
            yield status.get("code")


def _time_stamp(store: dict[str, Any]) -> Iterator[str]:
    """What was found of the active manifest's time stamp, good and bad (C2PA 2.2, table of `timeStamp` codes)."""
    own = _dict(_dict(store.get("validation_results")).get("activeManifest"))
    for kind in ("success", "informational", "failure"):
        for status in _dicts(own.get(kind)):
            if str(status.get("code")).startswith("timeStamp."):
                yield str(status["code"])


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _texts(values: Iterable[Any]) -> list[str]:
    """Each once, in order."""
    return list(dict.fromkeys(text for text in map(_text, values) if text))[:MOST]


def _text(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return None
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in value[:LONGEST])
