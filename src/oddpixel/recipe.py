"""Recipes: everything that fixes a training, in one TOML file; bundled ones lie beside what they train."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from oddpixel.errors import UsageError

FOLDERS = ("forensics/density/recipes", "forensics/audit/recipes", "generation/training/recipes")


def read_recipe(name: str | Path) -> dict[str, Any]:
    """A recipe by path, or a bundled one by name. Raises: UsageError."""
    bundled = [files("oddpixel").joinpath(*folder.split("/")) for folder in FOLDERS]
    for text in (Path(name), *(folder.joinpath(f"{name}.toml") for folder in bundled)):
        if text.is_file():
            try:
                return tomllib.loads(text.read_text())
            except tomllib.TOMLDecodeError as error:
                raise UsageError(f"the recipe {name} is not valid TOML: {error}") from error
    bundled_names = {item.name for folder in bundled for item in folder.iterdir() if item.name.endswith(".toml")}
    names = ", ".join(sorted(name.removesuffix(".toml") for name in bundled_names))
    raise UsageError(f"no recipe {str(name)!r}: neither a file nor one of {names}")
