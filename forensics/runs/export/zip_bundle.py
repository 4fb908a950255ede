"""Everything of a run in one archive, with the SHA-256 of each file and the head of the log: what to file away.

manifest.json     {schema, run, files: {name: sha256}, log: {length, head, ok}}
verdicts.json     every decision, oldest first
regions.json      every version of the regions that people drew, oldest first
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

from oddpixel.border import border
from oddpixel.envelope import SCHEMA_VERSION

from .exported import Export, Exported, failure

EPOCH = (1980, 1, 1, 0, 0, 0)  # the same content gives the same archive


def write(exported: Exported, path: Path) -> list[str]:
    """Write the archive, its manifest last; the names and reasons of files that could not be read."""
    run = exported.run
    verdicts = json.dumps([vars(verdict) for verdict in exported.history], indent=1, ensure_ascii=False).encode()
    regions = json.dumps([vars(region) for region in exported.drawn], indent=1, ensure_ascii=False).encode()
    people = {"verdicts.json": verdicts, "regions.json": regions}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in people.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in people.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)

        def add(file: Path) -> None:
            name, content = file.relative_to(run.path).as_posix(), file.read_bytes()
            hashes[name] = hashlib.sha256(content).hexdigest()
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)

        left_out = list(filter(None, border(exported.files(), add, lambda file, error: failure(file.name, error))))
        chain = exported.chain
        manifest = {
            "schema": f"oddpixel/bundle/{SCHEMA_VERSION}",
            "run": run.record["id"],
            "files": hashes,
            "log": None if chain is None else {"length": chain.length, "head": chain.head, "ok": chain.ok},
        }
        archive.writestr(zipfile.ZipInfo("manifest.json", EPOCH), json.dumps(manifest, indent=1), zipfile.ZIP_DEFLATED)
    return left_out


EXPORT = Export("zip", ".zip", "The whole run with a manifest of hashes and the head of the log", write)
