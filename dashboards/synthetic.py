"""Synthetic pictures of a case, kept with its run: the picture, and beside it a record of what it is and what made it.

synthetic/SHA256[-FRAME]/NAME.png     8 bits, declares itself synthetic (`oddpixel.provenance`)
synthetic/SHA256[-FRAME]/NAME.json    written last: a picture without its record is none

SHA256 and FRAME are the original's. Nothing here is evidence: no score, verdict or threshold reads this folder.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from oddpixel.errors import MissingFile, OddPixelError, RunError
from oddpixel.forensics.runs.originals import recorded_digest
from oddpixel.forensics.runs.rows import Row
from oddpixel.image import file_and_frame
from oddpixel.records import read_record

from .library import OpenRun

SCHEMA = "oddpixel/synthetic/1"
MARK = "made by a model, not a photograph of anything"
TITLES = {"reference": "Reference", "expected": "Expected normal"}
MAKERS = {"reference": "cascade", "expected": "detector"}
NAME = re.compile(r"reference-\d{1,10}|expected")
LARGEST_SEED = 2**31 - 1

_TEXT: dict[str, Any] = {"type": "string", "maxLength": 4096}
_DIGEST: dict[str, Any] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_SIDE: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": 10**6}
_PAIR: dict[str, Any] = {"type": ["array", "null"], "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
RECORD: dict[str, Any] = {
    "type": "object",
    "required": [
        "schema", "synthetic", "kind", "item", "sha256", "picture_sha256", "height", "width", "seed", "maker",
        "maker_sha256", "unit", "window", "spacing_mm", "sources", "author", "made",
    ],
    "properties": {
        "schema": {"const": SCHEMA},
        "synthetic": {"const": True},
        "kind": {"enum": list(TITLES)},
        "item": _TEXT,
        "sha256": _DIGEST,
        "picture_sha256": _DIGEST,
        "height": _SIDE,
        "width": _SIDE,
        "seed": {"type": ["integer", "null"], "minimum": 0, "maximum": LARGEST_SEED},
        "maker": _TEXT,
        "maker_sha256": _DIGEST,
        "unit": {"enum": ["display", "HU", "modality"]},
        "window": _PAIR,
        "spacing_mm": _PAIR,
        "sources": {"type": "array", "items": _TEXT, "maxItems": 1000},
        "author": _TEXT,
        "made": _TEXT,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Synthetic:
    """One picture that was made for a case.

    Arguments:
        folder: in the run.
        record: as `RECORD`; `window` has the values of black and white in `unit`, None where the picture is shown as it is.
    """

    folder: str
    name: str
    record: dict[str, Any]

    @property
    def picture(self) -> str:
        """The path of the picture, relative to the run."""
        return f"{self.folder}/{self.name}.png"

    @property
    def title(self) -> str:
        """The kind of picture with its seed, as headings show it."""
        seed = self.record["seed"]
        return TITLES[self.record["kind"]] + ("" if seed is None else f", seed {seed}")

    @property
    def maker(self) -> str:
        """The cascade or method that made the picture."""
        kind, maker = MAKERS[self.record["kind"]], str(self.record["maker"])
        return maker if maker.split()[:1] == [kind] else f"{kind} {maker}"


def folder_of(row: Row) -> str:
    """The folder of a case's synthetic pictures, relative to the run.

    Raises: MissingFile where its run recorded no SHA-256.
    """
    _, frame = file_and_frame(row.item)
    return f"synthetic/{recorded_digest(row)}" + ("" if frame is None else f"-{frame}")


def name_of(kind: str, seed: int | None) -> str:
    """The file name without suffix: the kind, and the seed where the picture has one."""
    return kind if seed is None else f"{kind}-{seed:06d}"


def read(run: OpenRun, row: Row, name: str) -> Synthetic:
    """The synthetic picture of a name, if its record belongs to the row's file.

    Raises: MissingFile where there is none of that name, RunError where its record is damaged or another file's.
    """
    if not NAME.fullmatch(name):
        raise MissingFile("there is no such synthetic picture")
    folder = folder_of(row)
    record = read_record(run.file(f"{folder}/{name}.json"), RECORD, RunError)
    if record["sha256"] != row.sha256 or name_of(record["kind"], record["seed"]) != name:
        raise RunError(f"{folder}/{name}.json is the record of another picture")
    return Synthetic(folder, name, record)


def read_all(run: OpenRun, row: Row) -> tuple[list[Synthetic], list[OddPixelError]]:
    """The synthetic pictures of a case, newest first, and the errors of those that cannot be read."""
    pictures: list[Synthetic] = []
    errors: list[OddPixelError] = []
    for path in sorted((run.run.path / folder_of(row)).glob("*.json")):
        try:
            pictures.append(read(run, row, path.stem))
        except OddPixelError as error:
            errors.append(error)
    return sorted(pictures, key=lambda picture: picture.record["made"], reverse=True), errors


def bytes_of(run: OpenRun, synthetic: Synthetic) -> bytes:
    """The bytes of the picture's file, as it was made. Raises: MissingFile, RunError where it is another by now."""
    content = run.file(synthetic.picture).read_bytes()
    if hashlib.sha256(content).hexdigest() != synthetic.record["picture_sha256"]:
        raise RunError(f"{synthetic.picture} is no longer the picture that was made: its SHA-256 differs")
    return content
