"""Custody: who looked at which file when, on what machine, with its hash before and after. Kept apart from the report,
since it differs from run to run. Entries are chained: each holds the hash of the one before, so that a later change
shows.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from oddpixel import __version__

CUSTODY: dict[str, Any] = {
    "type": "object",
    "required": ["schema", "evidence", "entries"],
    "properties": {"entries": {"type": "array"}, "earlier": {"type": "array"}},
}


@dataclass
class Custody:
    """The chain of custody of one file.

    Arguments:
        path: of the evidence file, as it was given.
        case, examiner: what the user says.
    """

    path: str
    case: str | None = None
    examiner: str | None = None
    entries: list[dict[str, Any]] = field(default_factory=list)

    def note(self, event: str, **details: Any) -> None:
        """Append an event with the time in UTC, chained to the entry before."""
        entry = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": event, **details}
        before = self.entries[-1]["chain"] if self.entries else ""
        self.entries.append(entry | {"chain": chained(before, entry)})

    def as_json(self) -> dict[str, Any]:
        """The record as custody.json holds it, with the machine and the versions that made it."""
        return {
            "schema": "oddpixel/custody/1", "evidence": self.path, "case": self.case,
            "examiner": self.examiner or _user(), "host": platform.node(), "system": platform.platform(),
            "python": sys.version.split()[0], "oddpixel": __version__, "entries": self.entries,
        }  # fmt: skip


def chained(before: str, entry: Mapping[str, Any]) -> str:
    """SHA-256 over the hash of the entry before and this entry."""
    return hashlib.sha256((before + json.dumps(entry, sort_keys=True)).encode()).hexdigest()


def unbroken(record: Mapping[str, Any]) -> bool:
    """Whether every entry's chain follows from the one before."""
    before = ""
    for entry in record["entries"]:
        content = {name: value for name, value in entry.items() if name != "chain"}
        if entry["chain"] != (before := chained(before, content)):
            return False
    return True


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
