"""Tags: words of their own that people put on items of a run, several on one, beside any verdict.

They serve to find items again and nothing else; the run's log notes who put on and took off which.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from oddpixel.errors import RunError, UsageError
from oddpixel.records import read_record

MOST, LONGEST = 200, 40
SCHEMA = {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}}


@dataclass(frozen=True)
class Tags:
    """The tags of one run, in a JSON file that several processes may write: items by tag."""

    path: Path

    def all(self) -> dict[str, list[str]]:
        """Items by tag. Raises: RunError for a damaged file, which is never written over."""
        if not self.path.is_file():
            return {}
        return read_record(self.path, SCHEMA, RunError)

    def by_item(self) -> dict[str, list[str]]:
        """Tags by item, each in alphabetical order."""
        found: dict[str, list[str]] = {}
        for tag, items in sorted(self.all().items()):
            for item in items:
                found.setdefault(item, []).append(tag)
        return found

    def counts(self) -> dict[str, int]:
        """How many items have each tag, in alphabetical order."""
        return {tag: len(items) for tag, items in sorted(self.all().items())}

    def put(self, tag: str, items: Sequence[str]) -> str:
        """Put a tag on items; the tag as it is kept. Raises: UsageError."""
        name = tag_name(tag)
        with self._changing() as tags:
            if name not in tags and len(tags) >= MOST:
                raise UsageError(f"a run has at most {MOST} tags; take one off its items first")
            tags[name] = list(dict.fromkeys([*tags.get(name, []), *items]))
        return name

    def take_off(self, tag: str, items: Sequence[str]) -> str:
        """Take a tag off items; one that is left on none is gone."""
        name, gone = tag_name(tag), set(items)
        with self._changing() as tags:
            tags[name] = [item for item in tags.get(name, []) if item not in gone]
            if not tags[name]:
                del tags[name]
        return name

    def _changing(self) -> _Changing:
        return _Changing(self)


class _Changing:
    """The tags, locked for a `with` block, and written at its end unless something went wrong in it."""

    def __init__(self, tags: Tags) -> None:
        self.tags = tags
        tags.path.parent.mkdir(parents=True, exist_ok=True)
        self.lock = FileLock(tags.path.with_suffix(".lock"))

    def __enter__(self) -> dict[str, list[str]]:
        self.lock.acquire()
        try:
            self.content = self.tags.all()
        except RunError:
            self.lock.release()
            raise
        return self.content

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                written = self.tags.path.with_suffix(".tmp")
                written.write_text(json.dumps(self.content, indent=1, ensure_ascii=False))
                written.replace(self.tags.path)
        finally:
            self.lock.release()


def tag_name(text: str) -> str:
    """A tag as it is kept: one line, trimmed. Raises: UsageError."""
    name = " ".join(text.split())
    if not name or len(name) > LONGEST or not name.isprintable():
        raise UsageError(f"a tag has 1 to {LONGEST} characters")
    return name
