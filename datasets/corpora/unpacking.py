"""A package's files one by one: zip (wheels), tar (npm, sources) and Debian archives, bundles inside them opened."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from oddpixel.errors import CorruptFile, MissingFile

from .card import Card
from .expanding import expanders
from .packages import cached_archive, installed_member


def members(card: Card) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of every file of the corpus, bundles opened. Raises: MissingFile, CorruptFile."""
    package = card.package
    for path, content in _contents(card):
        kind = next((k for k, patterns in package.expand.items() if any(fnmatchcase(path, p) for p in patterns)), None)
        inside = [(path, content)] if kind is None else expanders()[kind](path, content)
        yield from ((inner, block) for inner, block in inside if card.wants(inner))


def _contents(card: Card) -> Iterator[tuple[str, bytes]]:
    package = card.package
    if package.client == "installed":
        assert not isinstance(package.sha256, str)
        yield from ((member, installed_member(package, member)) for member in package.sha256)
        return
    archive = cached_archive(package)
    try:
        if archive.suffix in (".whl", ".zip"):
            yield from _zip(archive, card)
        elif archive.suffix == ".deb":
            yield from _deb(archive, card)
        else:
            with tarfile.open(archive) as bundle:
                yield from _tar(bundle, card)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise CorruptFile(f"{archive.name} cannot be unpacked: {error}") from error


def _zip(archive: Path, card: Card) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(archive) as bundle:
        for name in bundle.namelist():
            if _needed(name, card):
                yield name, bundle.read(name)


def _deb(archive: Path, card: Card) -> Iterator[tuple[str, bytes]]:
    try:
        process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE)
    except FileNotFoundError as error:
        raise MissingFile(f"{archive.name} is a Debian package; dpkg-deb is not installed here") from error
    with process, tarfile.open(fileobj=process.stdout, mode="r|") as bundle:
        yield from _tar(bundle, card)


def _tar(bundle: tarfile.TarFile, card: Card) -> Iterator[tuple[str, bytes]]:
    for member in bundle:
        name = member.name.removeprefix("./")
        if member.isfile() and _needed(name, card) and (file := bundle.extractfile(member)) is not None:
            yield name, file.read()


def _needed(name: str, card: Card) -> bool:
    bundles = [pattern for patterns in card.package.expand.values() for pattern in patterns]
    return card.wants(name) or any(fnmatchcase(name, pattern) for pattern in bundles)
