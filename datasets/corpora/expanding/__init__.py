"""Bundles that no image reader opens, one kind a file: each turns a bundle into named files that one does."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache

Expander = Callable[[str, bytes], Iterator[tuple[str, bytes]]]


@cache
def expanders() -> dict[str, Expander]:
    """Every expander by module name: `expand(path, content)` yields paths (below `path`) and contents."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return {name: importlib.import_module(f"{__name__}.{name}").expand for name in names}
