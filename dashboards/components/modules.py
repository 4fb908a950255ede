"""The JavaScript modules of the components, as the route that serves them finds them.

Their address holds a hash of all of them: what a browser has kept is never of another version than the page that imports it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

PREFIX = "/oddpixel/components"
SUFFIX = ".js"


@cache
def modules() -> dict[str, bytes]:
    """Contents by path in this folder, for example `viewer/index.js`."""
    return dict(sorted(_modules(files(__package__ or ""), "")))


@cache
def modules_version() -> str:
    digest = hashlib.sha256()
    for path, content in modules().items():
        digest.update(f"{path} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]


def _modules(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _modules(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            yield prefix + entry.name, entry.read_bytes()
