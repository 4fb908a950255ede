"""What a file declares and how it is built: reported, never fused with tests. Anybody can write anything into a file, so
absence proves nothing and presence only what somebody wrote.

    for fact in facts_of(content, "photo.jpg"):
        ...

One kind of container or declaration a file, found by walking this folder: a module with `look(content) -> Iterator[Fact]`.
Everything here reads bytes within bounds, in Python but for what inflates texts (zlib, Brotli): no decoder of pictures runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache

from oddpixel.datasets.containers import CONTAINERS, container_of
from oddpixel.discover import discover

from .fact import Fact, printable


def facts_of(content: bytes, name: str) -> list[Fact]:
    """All facts of a whole file. Damage is a fact too; nothing is raised for it."""
    kind = container(content)
    facts = [
        Fact("SHA-256", hashlib.sha256(content).hexdigest()),
        Fact("bytes", len(content)),
        Fact("container", kind or "unknown", "by its first bytes"),
    ]
    suffix = name.rpartition(".")[2].lower()
    usual = CONTAINERS[kind].suffixes if kind else ()
    if usual and suffix not in usual:
        facts.append(Fact("suffix", printable(suffix), f"the content is {kind}: the name says something else"))
    for look in _readers():
        facts += look(content)
    return facts


def container(content: bytes) -> str | None:
    """The name of the container, by its first bytes."""
    kind = container_of(content)
    return None if kind is None else kind.name


@cache
def _readers() -> tuple[Callable[[bytes], list[Fact]], ...]:
    return tuple(discover(__name__, "look").values())
