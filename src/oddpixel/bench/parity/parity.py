"""Parity with the reference implementations, on any folder of fixtures with a manifest (`oddpixel bench parity`).

The manifest names, for every tensor, its role (input or output) and the largest absolute difference to accept. A file is
checked by the part of OddPixel that claims to compute the same; a row says how much of its tolerance the worst tensor
used. Every tensor with role output must be computed: one that nobody computes counts as a failure.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from oddpixel.bench import Report
from oddpixel.errors import CorruptFile, MissingFile, UsageError

from . import cascade as parity_cascade
from . import density as parity_density
from .fixture import Checker, Fixture


def run(fixtures: Path | None = None) -> Report:
    """Check every file of the folder that this version can compute. Raises: UsageError, MissingFile, CorruptFile."""
    if fixtures is None:
        raise UsageError("bench parity needs --fixtures DIR, a folder with a manifest.json")
    manifest = _manifest(fixtures)
    rows = []
    for name, about in manifest["files"].items():
        check = checker_of(about)
        if check is None:
            continue
        fixture = _load(fixtures, name, about)
        with torch.random.fork_rng():
            check(fixture, lambda name: _load(fixtures, name, manifest["files"][name]))
        rows.append(fixture.row())
    if not rows:
        raise UsageError(f"{fixtures} holds no fixture of a system that this version computes")
    left = [name for name, about in manifest["files"].items() if checker_of(about) is None]
    notes = [f"not checked, of systems that this version does not compute: {', '.join(left)}"] if left else []
    passed = all(row["verdict"] == "ok" for row in rows)
    return Report(tables={"parity": rows}, passed=passed, notes=notes, is_kept=False)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if not path.is_file():
        raise MissingFile(f"{path} is missing; name a folder of fixtures with its manifest")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text())
        if manifest["format"] != 1:
            raise UsageError(f"{path} has format {manifest['format']}; this version reads format 1")
        assert isinstance(manifest["files"], dict)
    except (ValueError, KeyError, AssertionError) as error:
        raise CorruptFile(f"{path} is not a manifest: {error}") from error
    return manifest


def _load(folder: Path, name: str, about: dict[str, Any]) -> Fixture:
    path = folder / name
    if not path.is_file():
        raise MissingFile(f"{path} is named in the manifest but missing")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CorruptFile(f"{path} cannot be read: {error}") from error
    return Fixture(name, about["config"], about["tensors"], tensors, about.get("gradient_order") or [])


def checker_of(about: dict[str, Any]) -> Checker | None:
    """The check for a fixture, recognised by its configuration and tensors, not by its name."""
    return parity_density.checker(about) or parity_cascade.checker(about)
