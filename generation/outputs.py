"""The folder that pictures are written to: nothing in it is replaced unless `overwrite` is set, and never through a link.

000000.png      a picture, by its seed
000000.json     how it was made
generate.json   all pictures of the folder
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from oddpixel.envelope import plain
from oddpixel.errors import UsageError
from oddpixel.files import writable_folder, write_whole
from oddpixel.provenance import MEDIA_TYPES, Signature, check_sides, save_synthetic
from oddpixel.records import read_record
from oddpixel.weights import sha256_of

from .request import Request
from .sizes import Grid

SCHEMA = "oddpixel/generate/1"
LIST = "generate.json"
LOCK = ".generate.lock"
LISTED = {
    "type": "object",
    "required": ["schema", "items"],
    "properties": {
        "schema": {"const": SCHEMA},
        "items": {"type": "array", "items": {"type": "object", "required": ["item"]}},
    },
}


@dataclass(frozen=True)
class Outputs:
    """Writes generated pictures and their records into a folder."""

    folder: Path
    format: str
    overwrite: bool = False

    def check_free(self, request: Request) -> None:
        """Check, before a cascade is loaded, that no picture of the request is there already. Raises: UsageError."""
        for seed in range(request.seed, request.seed + request.count):
            for path in self._of(seed):
                self._check(path, frozenset())

    def prepare(self, request: Request, size: Grid, inputs: frozenset[str]) -> None:
        """Check before any work that every picture can be written.

        Arguments:
            inputs: SHA-256 of the images that the request names.

        Raises: UsageError where a picture cannot or must not be written.
        """
        check_sides(f".{self.format}", max(size))
        writable_folder(self.folder)
        for seed in range(request.seed, request.seed + request.count):
            for path in self._of(seed):
                self._check(path, inputs)
        self._earlier(())

    def write(
        self, pixels: Any, made_by: str, record: dict[str, Any], signature: Signature | None = None
    ) -> dict[str, Any]:
        """Write a picture and its record; returns the record. Raises: UsageError."""
        path = self.folder / f"{record['seed']:06d}.{self.format}"
        item = {"item": path.name, "sha256": "", **record}
        try:
            with FileLock(self.folder / LOCK):
                for existing in self._of(record["seed"]):
                    self._check(existing, frozenset())  # another process may have written it since
                save_synthetic(path, pixels, made_by, signature)
                item["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
                self._write_json(path.with_suffix(".json").name, {"schema": SCHEMA, **item})
        except OSError as error:
            raise UsageError(f"{path} cannot be written: {error.strerror}") from error
        return item

    def list_all(self, items: list[dict[str, Any]], files: dict[str, Any]) -> None:
        """Update `generate.json`: earlier pictures of the folder first, then these items."""
        with FileLock(self.folder / LOCK):
            earlier = self._earlier([item["item"] for item in items])
            self._write_json(LIST, plain({"schema": SCHEMA, "files": files, "items": [*earlier, *items]}))

    def _of(self, seed: int) -> list[Path]:
        suffixes = [".json", *MEDIA_TYPES]
        return [self.folder / f"{seed:06d}{suffix}" for suffix in suffixes]

    def _check(self, path: Path, inputs: frozenset[str]) -> None:
        if not os.path.lexists(path):
            return
        if path.is_file() and inputs and sha256_of(path) in inputs:
            raise UsageError(f"{path} is one of the input images; use another folder (-o)")
        if not self.overwrite:
            raise UsageError(f"{path} already exists; use another folder (-o), another --seed, or --overwrite")
        if path.is_symlink() or not path.is_file():
            raise UsageError(f"{path} is not a picture file; use another folder (-o)")
        if path.suffix != f".{self.format}" and path.suffix != ".json":
            raise UsageError(f"{path} has the same seed in another format; delete it, or use another folder (-o)")

    def _earlier(self, names: Any) -> list[dict[str, Any]]:
        path = self.folder / LIST
        if path.is_symlink() or (os.path.lexists(path) and not path.is_file()):
            raise UsageError(f"{path} is not a regular file; use another folder (-o)")
        if not path.is_file():
            return []
        items = read_record(path, LISTED, UsageError).get("items", [])
        return [item for item in items if item["item"] not in names and (self.folder / str(item["item"])).is_file()]

    def _write_json(self, name: str, content: Any) -> None:
        write_whole(self.folder / name, (json.dumps(content, indent=2) + "\n").encode())
