"""Kinds of places that hold files: one file each, found by walking this folder. A lister turns a place into entries."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from functools import cache
from typing import Protocol, runtime_checkable

from ..listing import Listing
from ..reading import Reader


@runtime_checkable
class Lister(Protocol):
    """How one kind of place is listed: in a stable order, without decoding anything, every file as an entry or left out."""

    def accepts(self, place: str) -> bool:
        """Whether the place is of this lister's kind."""

    def listing(self, place: str, reader: Reader) -> Listing:
        """List the files at the place. Raises: UsageError where the place is not what it seemed."""


@cache
def listers() -> Sequence[Lister]:
    """Every lister in this folder; plain files come last, since any path may be one."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    names.sort(key=lambda name: name == "file")
    return tuple(importlib.import_module(f"{__name__}.{name}").LISTER() for name in names)
