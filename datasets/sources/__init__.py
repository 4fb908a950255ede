"""Kinds of places that hold files: one file each, found by walking this folder. A lister turns a place into entries."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Protocol, runtime_checkable

from oddpixel.discover import discover

from ..listing import Listing
from ..reading import Reader


@runtime_checkable
class Lister(Protocol):
    """How one kind of place is listed: in a stable order, without decoding anything, every file as an entry or left out.

    Arguments:
        stands_alone: whether nothing beside the place itself is ever read, whatever it holds.
    """

    stands_alone: bool

    def accepts(self, place: str) -> bool:
        """Whether the place is of this lister's kind."""

    def listing(self, place: str, reader: Reader) -> Listing:
        """List the files at the place. Raises: UsageError where the place is not what it seemed."""


@cache
def listers() -> Sequence[Lister]:
    """Every lister in this folder; plain files come last, since any path may be one."""
    kinds = discover(__name__, "LISTER")
    return tuple(kinds[name]() for name in sorted(kinds, key=lambda name: name == "file"))
