"""The report as one JSON object: deterministic, with everything that its reader needs to check it."""

from __future__ import annotations

import importlib.metadata
import io
import json
import sys
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image as Pillow
from PIL import features

from oddpixel import __version__
from oddpixel.envelope import SCHEMA_VERSION, plain

from ..aids import LABEL, Aid, aids
from ..audited import Audited, Options
from ..checks import Check
from ..facts.fact import printable
from ..finding import Finding
from ..medium import FILM, PICTURE
from ..verdict import counts
from ..video.checks import TimelineCheck
from ..video.film import Film

DIGITS = 6  # significant ones of every number
LIBRARIES = ("numpy", "scipy", "scikit-learn", "opencv-python-headless", "pillow", "jpeglib", "torch", "c2pa-python")
STRIP = "maps/timeline.png"
PICTURES_LEFT_OUT = "No picture, map or visual aid is written: a name may be burned into the pixels"


def record_of(audited: Audited, options: Options, name: str, case: str | None = None) -> dict[str, Any]:
    """The content of report.json, with the paths that `files_of` gives its pictures."""
    exhibit = audited.exhibit
    medium = FILM if isinstance(exhibit, Film) else PICTURE
    chosen = medium.named(options.checks)
    left_out = [f"check {name}" for name in medium.checks if name not in chosen]
    content = {
        "schema": f"oddpixel/audit-report/{SCHEMA_VERSION}",
        "case": None if case is None else printable(case),
        "item": printable(name),
        "sha256": exhibit.sha256,
        "sha512": exhibit.sha512,
        "bytes": exhibit.num_bytes,
        "tool": {"oddpixel": __version__, "libraries": _libraries(), "decoders": _decoders()},
        "calibration_sha256": audited.calibration.sha256,
        "options": options.as_json(),
        "seed": exhibit.seed,
        "gate": exhibit.gate.as_json(),
        "verdict": audited.verdict.as_json(),
        "facts": [plain(fact) for fact in audited.facts],
        "findings": [_finding(finding, audited) for finding in audited.findings],
        "sensitivity": [plain(altered) for altered in audited.sensitivity],
        "faces": [plain(face) for face in audited.faces],
        "checks": [_check(medium.checks[name]) for name in chosen],
        "aids": [_aid(name) for name in _aids(audited, options)],
        "pictures": PICTURES_LEFT_OUT if exhibit.may_show_text else None,
        "innocent_explanations": list(medium.innocent),
        "not_examined": [*medium.not_examined, *_borders(audited), *_not_altered(audited, options), *left_out],
        "reproduce": _command(options, name),
        **({"timeline": plain(exhibit.as_json | {"picture": STRIP})} if isinstance(exhibit, Film) else {}),
    }
    result: dict[str, Any] = _rounded(plain(content))
    return result


def as_bytes(record: dict[str, Any]) -> bytes:
    """The bytes of report.json: sorted keys and UTF-8, the same for the same record."""
    return (json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def files_of(audited: Audited, options: Options) -> dict[str, bytes]:
    """The report's pictures by path: maps at the image's own size, and visual aids."""
    if isinstance(audited.exhibit, Film):
        return {STRIP: _png(audited.exhibit.picture)}
    if audited.exhibit.may_show_text:
        return {}
    files = {
        _map_path(finding): _png(np.rint(finding.map * 255).astype(np.uint8))
        for finding in audited.findings
        if finding.map is not None
    }
    for name, aid in _aids(audited, options).items():
        files[f"aids/{name}.png"] = _png(aid.draw(audited.exhibit))
    return files


def _borders(audited: Audited) -> list[str]:
    inner = None if isinstance(audited.exhibit, Film) else audited.exhibit.gate.inner
    if inner is None:
        return []
    top, left, bottom, right = inner
    place = f"rows {top} to {bottom}, columns {left} to {right}" if top < bottom else "none of it"
    return [f"what lies in plain borders, where one region is compared with the rest: what is left is {place}"]


def _not_altered(audited: Audited, options: Options) -> list[str]:
    is_asked = options.sensitivity and isinstance(audited.exhibit, Film)
    return (
        ["the sensitivity of the verdict, which was asked for: only pictures are altered and judged again"]
        if is_asked
        else []
    )


def _aids(audited: Audited, options: Options) -> dict[str, Aid]:
    """The visual aids to draw; none of a video, nor of what may show a name."""
    is_drawn = options.aids and not isinstance(audited.exhibit, Film) and not audited.exhibit.may_show_text
    return aids() if is_drawn else {}


def _finding(finding: Finding, audited: Audited) -> dict[str, Any]:
    record = {name: value for name, value in vars(finding).items() if name != "map"}
    is_shown = finding.map is not None and not audited.exhibit.may_show_text
    return record | {
        "map": _map_path(finding) if is_shown else None,
        "counts": counts(finding, audited.exhibit.gate, audited.calibration),
    }


def _map_path(finding: Finding) -> str:
    return f"maps/{finding.check}.png"


def _check(check: Check | TimelineCheck) -> dict[str, Any]:
    description = {
        field: getattr(check, field) for field in ("name", "title", "kind", "purpose", "reference", "needs", "cannot")
    }
    return description | {"parameters": _parameters(sys.modules[type(check).__module__])}


def _parameters(module: ModuleType) -> dict[str, Any]:
    """The numbers that a check's file sets."""
    kinds = (int, float, tuple, list, range)
    return {
        name.lower(): list(value) if isinstance(value, range) else value
        for name, value in sorted(vars(module).items())
        if name.isupper() and isinstance(value, kinds)
    }


def _aid(name: str) -> dict[str, str]:
    aid = aids()[name]
    return {
        "name": name,
        "title": aid.title,
        "explanation": aid.explanation,
        "label": LABEL,
        "picture": f"aids/{name}.png",
    }


def _libraries() -> dict[str, str | None]:
    return {name: _version(name) for name in LIBRARIES}


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _decoders() -> dict[str, str | None]:
    """Different decoders give different pixels for the same JPEG."""
    names = {"libjpeg-turbo": "libjpeg_turbo", "zlib": "zlib", "webp": "webp", "libtiff": "libtiff"}
    return {shown: features.version(name) for shown, name in names.items()}


def _command(options: Options, name: str) -> str:
    words = ["oddpixel", "audit", "FILE", "-o", "OUT", "--alpha", f"{options.alpha:g}"]
    words += ["--checks", options.checks] if options.checks else []
    words += ["--anchors", "PEM"] if options.anchors else []
    words += [] if options.aids else ["--no-aids"]
    words += ["--sensitivity"] if options.sensitivity else []
    return " ".join(words) + f"   # FILE with the SHA-256 above; it was called {printable(name)}"


def _png(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(picture[..., 0] if picture.shape[2:] == (1,) else picture).save(file, "PNG", compress_level=6)
    return file.getvalue()


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
