"""Kinds of places that hold files: one file each, found by walking this folder. A lister turns a place into entries."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from typing import Protocol, runtime_checkable

from ..entry import Entry
from ..reading import Reader


@runtime_checkable
class Lister(Protocol):
    """How one kind of place is listed: quickly, in a stable order, without decoding anything."""

    def accepts(self, place: str) -> bool: ...

    def entries(self, place: str, reader: Reader) -> list[Entry]:
        """Raises: UsageError where the place is not what it seemed."""


@cache
def listers() -> Sequence[Lister]:
    """Every lister in this folder; plain files come last, since any path may be one."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    names.sort(key=lambda name: name == "file")
    return tuple(importlib.import_module(f"{__name__}.{name}").LISTER() for name in names)
