"""The card of a corpus: where it comes from, which bytes it must have, its licence, and its split into roles."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np

from oddpixel.errors import UsageError

Role = Literal["train", "validation", "test"]
ROLES: tuple[Role, ...] = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package of a registry.

    Arguments:
        client: `deb`, `pip`, `npm`, or `installed` for a Python package that OddPixel depends on anyway.
        version: what to ask the client for; empty where any version with these bytes will do.
        archive: the file that the client writes.
        sha256: of that file; for `installed`, of every member.
        expand: bundles inside the archive to be opened, by kind (a module of `expanding/`).
    """

    client: str
    name: str
    version: str = ""
    archive: str = ""
    sha256: str | Mapping[str, str]
    expand: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Split:
    """Groups dealt to the three roles by a seeded permutation of their sorted names; what is left over trains.

    Arguments:
        validation, test: a number of groups, or a fraction of them.
    """

    of: Sequence[str]
    seed: int = 0
    validation: float = 0.15
    test: float = 0.15

    def deal(self, groups: Sequence[str]) -> dict[str, Role]:
        """Deal the groups to the three roles; returns the role of each group."""
        ordered = sorted(set(groups))
        shuffled = [ordered[i] for i in np.random.default_rng(self.seed).permutation(len(ordered))]
        num_held_out = {
            role: int(share if share >= 1 else np.ceil(share * len(ordered)))
            for role, share in (("validation", self.validation), ("test", self.test))
        }
        num_train = max(len(ordered) - sum(num_held_out.values()), 0)
        counts = zip(ROLES, (num_train, *num_held_out.values()), strict=True)
        roles = [role for role, count in counts for _ in range(count)]
        return dict(zip(shuffled, roles[-len(ordered) :], strict=True))


@dataclass(frozen=True, kw_only=True)
class Card:
    """One corpus.

    Arguments:
        kind: `images`, `volumes` or `weights`.
        licence: as the package states it, file by file where it does.
        weights_may_ship: whether a model trained on it may be bundled, with the attribution in its card.
        members: patterns of paths inside the package, by role.
        split: for corpora too large to name every file.
        exclude: patterns of members left out.
        group: `file`, `corpus`, or a pattern whose first group, found in the path, is the exchangeability unit.
        note: what to know before using it.
        shows_people: whether its pictures are of people who were not asked: no sheet of them is made.
    """

    name: str
    title: str
    kind: Literal["images", "volumes", "weights"]
    licence: str
    weights_may_ship: bool
    attribution: str
    package: Package
    members: Mapping[Role, Sequence[str]] = field(default_factory=dict)
    split: Split | None = None
    exclude: Sequence[str] = ()
    group: str = "file"
    note: str = ""
    shows_people: bool = field(default=False, repr=False)  # a corpus in the cache is found by what stands in `repr`

    def facts(self) -> dict[str, Any]:
        """The card as JSON, without the patterns of its members."""
        package = self.package
        named = ("name", "title", "kind", "licence", "weights_may_ship", "attribution", "note")
        origin = {
            "client": package.client,
            "package": package.name,
            "version": package.version,
            "sha256": package.sha256,
        }
        return {name: getattr(self, name) for name in named} | origin

    def wants(self, member: str) -> bool:
        """Whether a file of the package belongs to the corpus."""
        patterns = [pattern for those in self.members.values() for pattern in those]
        patterns += self.split.of if self.split else []
        return _matches(member, patterns) and not _matches(member, self.exclude)

    def group_of(self, member: str) -> str:
        """The exchangeability unit of a member; unique across corpora."""
        name = PurePosixPath(member).name
        if self.group == "corpus":
            return self.name
        match = None if self.group == "file" else re.search(self.group, member)
        return f"{self.name}/{match[1] if match else name}"

    def roles(self, members: Sequence[str]) -> dict[str, Role]:
        """The role of every member: by its pattern, or by the draw for its group."""
        named: dict[str, Role] = {
            m: role for m in members for role, patterns in self.members.items() if _matches(m, patterns)
        }
        if self.split is None:
            return named
        rest = [m for m in members if m not in named]
        dealt = self.split.deal([self.group_of(m) for m in rest])
        return named | {m: dealt[self.group_of(m)] for m in rest}


@cache
def cards() -> dict[str, Card]:
    """Every corpus with a card in `cards/`."""
    folder = files(__package__ or "") / "cards"
    items = sorted((item for item in folder.iterdir() if item.name.endswith(".toml")), key=lambda item: item.name)
    return {card.name: card for card in (_read(item.name.removesuffix(".toml"), item.read_text()) for item in items)}


def card(name: str) -> Card:
    """The card of one corpus. Raises: UsageError."""
    if name not in cards():
        raise UsageError(f"unknown corpus {name!r}; known corpora are {', '.join(cards())}")
    return cards()[name]


def _read(name: str, text: str) -> Card:
    content: dict[str, Any] = tomllib.loads(text)
    package = Package(**content.pop("package"))
    split = Split(**content.pop("split")) if "split" in content else None
    return Card(name=name, package=package, split=split, **content)


def _matches(member: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(member, pattern) for pattern in patterns)


def credits_of(names: Sequence[str]) -> dict[str, Any]:
    """Title, licence and attribution that the card of a model trained on these corpora must state."""
    corpora = [card(name) for name in names]
    return {
        "title": "; ".join(corpus.title for corpus in corpora),
        "licence": "; ".join(corpus.licence for corpus in corpora),
        "attribution": "; ".join(corpus.attribution for corpus in corpora),
        "weights_may_ship": all(corpus.weights_may_ship for corpus in corpora),
    }
