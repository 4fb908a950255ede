"""The documentation site: built strictly, of this checkout alone, asking nothing of other hosts, with every public name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import oddpixel
from tests.conftest import ROOT
from tests.patience import PATIENCE


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make check` builds it: any warning is an error."""
    place = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "-d", str(place)],
        cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=PATIENCE,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return place


def test_every_public_name_is_documented(site: Path) -> None:
    page = (site / "reference.html").read_text()
    for name, module in oddpixel.PUBLIC.items():
        assert f'id="{module}.{name}"' in page, name


def test_nothing_is_asked_of_another_host(site: Path) -> None:
    asked = re.compile(
        r"""<(?:script|img|iframe)[^>]+src="https?:|<link[^>]+rel="(?:stylesheet|preconnect)"[^>]+href="https?:"""
    )
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    assert [page.name for page in pages if asked.search(page.read_text())] == []
    assert asked.search('<script src="https://elsewhere/x.js">'), "a planted request"


def test_the_site_has_what_lies_outside_of_docs(site: Path) -> None:
    assert "flagged.webp" in (site / "index.html").read_text()
    for name in (
        "changelog.html",
        "contributing.html",
        "benchmarks.html",
        "schemas/flag.json",
        "search/search_index.js",
    ):
        assert (site / name).is_file(), name
