"""Bundles that no image reader opens, one kind a file: each turns a bundle into named files that one does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

from oddpixel.discover import discover

Expander = Callable[[str, bytes], Iterator[tuple[str, bytes]]]


@cache
def expanders() -> dict[str, Expander]:
    """Every expander by module name: `expand(path, content)` yields paths (below `path`) and contents."""
    return discover(__name__, "expand")
