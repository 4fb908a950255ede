"""What a run is to be: the command, its options, and the inputs as they were listed once, dealt to shards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from oddpixel.datasets.entry import Entry
from oddpixel.envelope import plain
from oddpixel.errors import UsageError

SHARD_SIZE = 256  # files; a kill costs at most so much work
LONGEST_TITLE = 80
Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Order:
    """All that makes a run what it is: the same order in the same folder goes on with the same run.

    Arguments:
        kind: the command that writes it.
        options: resolved.
        items: names of all inputs, in order; shard k holds items k * shard_size on.
        places: where the items came from, so that originals can be looked at again.
        title: what people shall know the run by; None leaves it the name of its folder.
        overwrite: remove an earlier run in the folder first; what people decided about it is kept.
        reopens: give the same run back where it is finished: to be decided anew, or only read.
    """

    kind: str
    items: Sequence[str]
    options: Mapping[str, Any] = field(default_factory=dict)
    places: Sequence[str] = ()
    shard_size: int = SHARD_SIZE
    title: str | None = None
    overwrite: bool = False
    reopens: bool = False

    @property
    def spec(self) -> dict[str, Any]:
        """The part of run.json that tells one run from another."""
        digest = hashlib.sha256("\n".join(self.items).encode()).hexdigest()
        return {
            "kind": self.kind,
            "options": plain(dict(self.options)),
            "shard_size": self.shard_size,
            "items": digest,
        }

    @property
    def num_shards(self) -> int:
        """How many parts the run will have."""
        return -(-len(self.items) // self.shard_size)

    def part(self, shard: int, inputs: Sequence[Item]) -> Sequence[Item]:
        """Those of the inputs that a shard holds."""
        return inputs[shard * self.shard_size : (shard + 1) * self.shard_size]


def identities(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Names of listed files for an order; another group, label or role of a file makes another run."""
    return tuple(entry.identity for entry in entries)


def title_of(text: str) -> str:
    """A run's title on one line, without characters that could deceive. Raises: UsageError for one that is too long."""
    flat = " ".join(text.split())
    title = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in flat)
    if len(title) > LONGEST_TITLE:
        raise UsageError(f"a run's title has at most {LONGEST_TITLE} characters; this one has {len(title)}")
    return title
