"""The documentation cannot rot: the README's commands and Python run, and every command is described."""

from __future__ import annotations

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import figures
from tests.conftest import ROOT
from tests.patience import PATIENCE

README = (ROOT / "README.md").read_text()


PAGES = {
    "README.md": 5,
    "docs/audit.md": 5,
    "docs/data.md": 6,
    "docs/generate.md": 4,
    "docs/json.md": 2,
    "docs/python.md": 10,
    "docs/reading.md": 4,
}


@pytest.mark.parametrize(("page", "least"), PAGES.items())
def test_the_documented_python_runs(page: str, least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = doctest.testfile(str(ROOT / page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert result.attempted >= least
    assert result.failed == 0


def test_the_command_reference_is_up_to_date(tmp_path: Path) -> None:
    """In a process of its own: the tests' run-time type checks would change what typer reads of the commands."""
    command = [sys.executable, "-m", "oddpixel.commands.reference", str(tmp_path / "cli.md")]
    subprocess.run(command, check=True, timeout=PATIENCE)
    assert (ROOT / "docs/cli.md").read_text() == (tmp_path / "cli.md").read_text(), "run make docs"


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text()
    assert {"demo", "test"} <= targets
    assert all(f"\n{target}:" in makefile for target in targets)


def test_every_page_with_python_runs() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    pages = [page for page in pages if page.parent.name != "tutorials"]  # tests/test_tutorials.py
    assert {page.relative_to(ROOT).as_posix() for page in pages if "\n>>> " in page.read_text()} == set(PAGES)


def test_the_readme_is_two_screens() -> None:
    assert len(re.sub(r"<!--.*?-->", "", README).split()) < 550


def test_every_command_of_the_pages_exists() -> None:
    pages = [README, *(page.read_text() for page in (ROOT / "docs").glob("*.md"))]
    commands = set(re.findall(r"^\$? ?oddpixel ([a-z]+)", "\n".join(pages), re.MULTILINE))
    assert {"inspect", "density", "train"} <= commands
    for command in commands:
        result = subprocess.run(
            [sys.executable, "-m", "oddpixel", command, "--help"], capture_output=True, text=True, check=False
        )
        assert result.returncode == 0
        assert len(result.stdout) > 100


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / Path(target)).exists(), f"{page.name} links to {target}"


def test_figures_in_the_pages_are_the_benchmarks() -> None:
    """Every `bench:NAME:TABLE:ROW:COLUMN` comment stands behind the number it comes from."""
    for page in figures.pages():
        text = page.read_text()
        assert figures.with_figures(text) == text, f"{page.name} shows what was measured before: make docs"


def test_the_tables_of_formats_are_what_is_tested() -> None:
    from tests.datasets.format_table import PAGE, page_with_tables

    page = PAGE.read_text()
    assert page == page_with_tables(page), "run: python -m tests.datasets.format_table"
    assert "| PNG | 1, 8, 12 (sBIT), 12 (sBIT, low), 16 | ICC | all eight | straight |" in page
