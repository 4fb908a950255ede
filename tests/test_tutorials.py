"""Tutorials run from their first line to their last, as a newcomer would type them, in an empty folder.

A block of Python is a doctest; `$ command` in a block of `console` is run in a shell, and what stands below it has to be what it
prints, `...` standing for anything.
"""

from __future__ import annotations

import codeop
import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.patience import PATIENCE

TUTORIALS = sorted((ROOT / "docs/tutorials").glob("*.md"))
BLOCK = re.compile(r"^```(console|pycon)\n(.*?)^```", re.MULTILINE | re.DOTALL)
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{_programs(tmp_path)}{os.pathsep}{os.environ['PATH']}")
    names: dict[str, object] = {}
    blocks = BLOCK.findall(page.read_text())
    assert blocks
    for kind, text in blocks:
        if kind == "pycon":
            _run_python(text, names, page.name)
        else:
            _run_console(text)


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_copied_block_can_be_pasted_into_python(page: Path) -> None:
    """The site's copy button leaves prompts and output out; a prompt ends a block of statements at an empty line alone."""
    for kind, text in BLOCK.findall(page.read_text()):
        if kind != "pycon":
            continue
        pasted = [line[4:] for line in text.splitlines() if line[:4] in (">>> ", "... ") or line in ("...", ">>>")]
        waiting: list[str] = []
        for line in [*pasted, ""]:
            waiting.append(line)
            if codeop.compile_command("\n".join(waiting), page.name, "single") is not None:
                waiting = []
        assert not any(waiting), waiting


def test_a_wrong_line_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _run_console("$ echo one two\none ...\n")
    with pytest.raises(AssertionError, match="two"):
        _run_console("$ echo two\nthree\n")
    with pytest.raises(AssertionError):
        _run_console("$ false\n")
    with pytest.raises(AssertionError):
        _run_python(">>> 1 + 1\n3\n", {}, "planted")


def _programs(place: Path) -> Path:
    """A folder with the program `oddpixel`, of this checkout."""
    folder = place.parent / f"{place.name}-bin"
    folder.mkdir()
    program = folder / "oddpixel"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}/src" exec "{sys.executable}" -m oddpixel "$@"\n')
    program.chmod(0o755)
    return folder


def _run_python(text: str, names: dict[str, object], page: str) -> None:
    test = doctest.DocTestParser().get_doctest(text, {}, page, page, 0)
    test.globs = names  # a page is one conversation
    result = doctest.DocTestRunner(optionflags=OPTIONS).run(test, clear_globs=False)
    assert result.attempted
    assert result.failed == 0


def _run_console(text: str) -> None:
    for command, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
        done = subprocess.run(
            ["/bin/bash", "-o", "pipefail", "-c", command],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        matches = doctest.OutputChecker().check_output(expected, done.stdout, OPTIONS)
        assert matches, f"{command} printed\n{done.stdout}{done.stderr}\nthe page says\n{expected}"
