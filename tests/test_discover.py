"""Variants are found by their marker, under names of their own; two of one name are refused."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oddpixel.discover import discover, modules_with
from oddpixel.errors import DuplicateName

Family = Callable[..., str]


@pytest.fixture
def family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Family]:
    """Makes a package of modules with these sources; its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(**modules: str) -> str:
        (tmp_path / "family/below").mkdir(parents=True)
        for name, source in {"__init__": "", "below/__init__": "", **modules}.items():
            (tmp_path / f"family/{name}.py").write_text(source)
        return "family"

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "family"]:
        del sys.modules[name]


def test_variants_are_called_by_their_name_or_their_modules(family: Family) -> None:
    package = family(
        one="class Named: name = 'first'\nVARIANT = Named()",
        two="def VARIANT(): return 2",
        helper="from .two import VARIANT",
        **{"below/three": "class A: name = 'a'\nclass B: name = 'b'\nVARIANT = (A, B)"},
    )
    assert list(discover(package, "VARIANT")) == ["a", "b", "first", "two"]
    assert modules_with(package, "VARIANT") == {
        "three": "family.below.three", "one": "family.one", "two": "family.two",
    }  # fmt: skip


@pytest.mark.parametrize("second", ["class B: name = 'a'\nVARIANT = B", "class A: name = 'a'\nVARIANT = (A,)"])
def test_two_of_one_name_are_refused(family: Family, second: str) -> None:
    package = family(one="class A: name = 'a'\nVARIANT = A", two=second)
    with pytest.raises(DuplicateName, match="'a'"):
        discover(package, "VARIANT")


def test_two_modules_of_one_name_are_refused(family: Family) -> None:
    package = family(one="VARIANT = 1", **{"below/one": "VARIANT = 2"})
    with pytest.raises(DuplicateName, match="'one'"):
        modules_with(package, "VARIANT")


def test_modules_without_the_marker_are_not_imported(family: Family) -> None:
    package = family(one="VARIANT = 1", two="raise RuntimeError", three="VARIANT = 3\nraise RuntimeError")
    assert list(modules_with(package, "VARIANT")) == ["one", "three"]
    with pytest.raises(RuntimeError):
        discover(package, "VARIANT")
