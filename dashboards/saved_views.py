"""Named views: what a permalink says about filter, sort and threshold, under a name that all visitors see."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from oddpixel.errors import UsageError

MOST, LONGEST = 200, 2000


@dataclass(frozen=True)
class SavedViews:
    """The named views of a dashboard, in one JSON file that several processes may write."""

    path: Path

    def all(self) -> dict[str, str]:
        """All views: query strings by name."""
        try:
            content: dict[str, str] = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return content

    def save(self, name: str, query: str) -> None:
        """Save a view, replacing one of the same name. Raises: UsageError."""
        name = name.strip()
        if not name or len(name) > 80 or len(query) > LONGEST:
            raise UsageError("a view needs a name of at most 80 characters")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".lock")):
            views = self.all() | {name: query}
            if len(views) > MOST:
                raise UsageError(f"there are {MOST} saved views already; remove one first")
            self._write(views)

    def remove(self, name: str) -> None:
        """Remove a view; without one of that name, nothing changes."""
        with FileLock(self.path.with_suffix(".lock")):
            self._write({label: query for label, query in self.all().items() if label != name})

    def _write(self, views: dict[str, str]) -> None:
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(views, indent=1))
        temporary.replace(self.path)
