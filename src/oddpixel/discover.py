"""Variants found by walking a folder: a check, a format, a sampler, a command is one file, and nothing else is edited to add it.

    CHECKS = discover("oddpixel.forensics.audit.checks", "CHECK")      # by name

A module offers its variant under the marker of its family (`CHECK`, `FORMAT`, `SCHEDULE`, ...): one object, or a tuple of
them. It is called by its own `name`, or by its module's where it has none. Modules without the marker are helpers.
`modules_with` reads the sources alone, for families whose members are heavy to import.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

from oddpixel.errors import DuplicateName


def discover(package: str, marker: str, named_by: str = "name") -> dict[str, Any]:
    """All variants below a package by name, in the order of modules.

    Arguments:
        named_by: the attribute that holds a variant's name.

    Raises: DuplicateName where two have one name.
    """
    variants: dict[str, Any] = {}
    for module in _modules_with(package, marker):
        offered = getattr(importlib.import_module(module), marker)
        for variant in offered if isinstance(offered, tuple) else (offered,):
            _add(variants, getattr(variant, named_by, _own_name(module)), variant, package)
    return variants


def modules_with(package: str, marker: str) -> dict[str, str]:
    """Full names of the modules below a package that define `marker` (a class, a function or a constant), by their own name.

    Nothing is imported but packages. Raises: DuplicateName.
    """
    modules: dict[str, str] = {}
    for module in _modules_with(package, marker):
        _add(modules, _own_name(module), module, package)
    return modules


def _own_name(module: str) -> str:
    return module.rpartition(".")[2]


def _modules_with(package: str, marker: str) -> Iterator[str]:
    return (module for module in _modules(package) if _defines(module, marker))


def _add(variants: dict[str, Any], name: str, value: Any, package: str) -> None:
    if name in variants:
        raise DuplicateName(f"two members of {package} are called {name!r}; rename one of them")
    variants[name] = value


def _modules(package: str) -> Iterator[str]:
    """Of a package and the packages below it, sorted."""
    path = importlib.import_module(package).__path__
    for module in sorted(pkgutil.iter_modules(path), key=lambda info: info.name):
        name = f"{package}.{module.name}"
        if module.ispkg:
            yield from _modules(name)
        else:
            yield name


def _defines(module: str, marker: str) -> bool:
    spec = importlib.util.find_spec(module)
    source = None if spec is None else getattr(spec.loader, "get_source", lambda name: None)(module)
    definition = rf"^(def|class) {marker}\b|^{marker}\s*[:=]"
    return source is not None and re.search(definition, source, re.MULTILINE) is not None
