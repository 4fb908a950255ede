"""Whether the files of a run are still those that it scored: a run that is taken up again never reports what a file was before.

    stamps/part-00000.json      size, times and inode of every file of a shard, from before it was read

A file with the same stamp is the same file; for any other its SHA-256 decides, and so it does in runs without stamps. A shard
with one changed file is scored anew.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from typing import Any

from oddpixel.counting import counted
from oddpixel.datasets.entry import Entry
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.pairs import files_of, open_whole
from oddpixel.errors import RunError, UnreadableInput
from oddpixel.records import read_record

from .order import Order
from .run import Run

logger = logging.getLogger(__name__)

STAMPS: dict[str, Any] = {
    "type": "object",
    "required": ["files"],
    "properties": {
        "files": {
            "type": "object",
            "additionalProperties": {"type": ["array", "null"], "items": {"type": "integer"}, "maxItems": 10},
        }
    },
}
NAMED = 5  # files in a warning


def stamps_of(entries: Sequence[Entry]) -> dict[str, list[int] | None]:
    """The stamps by name, taken before the files are read, so that a change while they are read shows."""
    return {entry.name: _stamp(entry) for entry in entries}


def note_stamps(run: Run, shard: int, stamps: dict[str, list[int] | None]) -> None:
    """Keep the stamps of a shard's files, which were taken before the files were read, beside its part."""
    run.write_json(_name(shard), {"files": stamps})


def drop_outdated(run: Run, entries: Sequence[Entry], order: Order) -> list[str]:
    """Remove the parts of shards in which a file has changed since; the files that have. Raises: RunError."""
    changed: list[str] = []
    missing = set(run.missing_shards())
    for shard in range(run.record["num_shards"]):
        if shard in missing:
            continue
        names = _changed(run, shard, order.part(shard, entries))
        if names:
            run.drop_part(shard)
            changed += names
    if changed:
        shown = ", ".join(changed[:NAMED]) + (f" and {len(changed) - NAMED} more" if len(changed) > NAMED else "")
        logger.warning("%s judged again, changed since the last time: %s", counted(len(changed), "file"), shown)
    return changed


def _changed(run: Run, shard: int, entries: Sequence[Entry]) -> list[str]:
    stamps = _noted(run, shard)
    suspects = [entry for entry in entries if stamps.get(entry.name) is None or stamps[entry.name] != _stamp(entry)]
    if not suspects:
        return []
    digests = run.digests(shard)
    return [entry.name for entry in suspects if _digest(entry) not in digests.get(entry.name, set())]


def _noted(run: Run, shard: int) -> dict[str, Any]:
    path = run.path / _name(shard)
    if not path.is_file():
        return {}
    files: dict[str, Any] = read_record(path, STAMPS, RunError)["files"]
    return files


def _stamp(entry: Entry) -> list[int] | None:
    """Of all files that the entry is read from."""
    try:
        states = [path.stat() for path in files_of(entry)]
    except OSError:
        return None
    return [
        number for state in states for number in (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
    ]


def _digest(entry: Entry) -> str | None:
    """None where it cannot be read: that is never what was recorded."""
    try:
        with open_whole(entry, Limits()) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    except (UnreadableInput, OSError):
        return None


def _name(shard: int) -> str:
    return f"stamps/part-{shard:05d}.json"
