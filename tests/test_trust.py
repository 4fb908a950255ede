"""What a stranger looks for before trusting a project is there and says what is so."""

from __future__ import annotations

import re
import tomllib

import yaml

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOTICES = (ROOT / "THIRD_PARTY_NOTICES.md").read_text()


def named(requirements: list[str]) -> set[str]:
    names = (re.match(r"[A-Za-z0-9_.-]+", each) for each in requirements)
    return {match[0] for match in names if match and match[0] != "oddpixel"}


def test_every_dependency_has_its_licence() -> None:
    listed = dict(re.findall(r"^\| ([a-z0-9-]+) \|.* ([^|]+) \|$", NOTICES, re.MULTILINE))
    core = named(PROJECT["dependencies"])
    extras = {name: named(each) for name, each in PROJECT["optional-dependencies"].items() if name != "dev"}
    assert core | set().union(*extras.values()) <= set(listed)
    assert not [name for name in core if re.match(r"A?GPL", listed[name])]


def test_every_weight_has_a_card_that_the_notices_name() -> None:
    for place in ("forensics/weights", "generation/weights"):
        for folder in (ROOT / place).iterdir():
            if (folder / "model.safetensors").is_file():
                assert f"({place}/{folder.name}/README.md)" in NOTICES
                assert "icence" in (folder / "README.md").read_text()


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def test_the_container_has_no_rights_and_no_cuda() -> None:
    text = (ROOT / "Containerfile").read_text()
    steps = [line.split()[0] for line in text.splitlines() if re.match(r"[A-Z]+ ", line)]
    assert steps.index("USER") < steps.index("ENTRYPOINT")
    assert "whl/cpu" in text
    assert "USER root" not in text
    extras = re.search(r"/src\[([a-z0-9,-]+)\]", text)
    assert extras
    assert set(extras[1].split(",")) <= set(PROJECT["optional-dependencies"])


def test_issue_templates_ask_for_what_is_needed() -> None:
    templates = {
        path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")
    }
    assert {"defect", "wish", "figure"} <= set(templates)
    for template in templates.values():
        assert {"name", "description", "body"} <= set(template)
    assert "oddpixel doctor --json" in str(templates["defect"])


def test_licences_travel_with_the_wheel() -> None:
    for name in PROJECT["license-files"]:
        assert (ROOT / name).is_file()
    assert "THIRD_PARTY_NOTICES.md" in PROJECT["license-files"]
