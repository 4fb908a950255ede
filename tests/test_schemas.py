"""Every JSON that a command prints has a schema in the wheel, and is what that says."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from PIL import Image as Pillow
from typer.testing import CliRunner

from oddpixel.commands import app
from tests.conftest import ROOT
from tests.forensics.detect.test_detector import surface
from tests.test_cli import check_schema

SCHEMAS = sorted(path.name for path in files("oddpixel").joinpath("schemas").iterdir())


def printed(*arguments: object) -> str:
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False).stdout


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas(name: str) -> None:
    schema = json.loads(files("oddpixel").joinpath(f"schemas/{name}").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert re.fullmatch(rf"oddpixel/{name.removesuffix('.json')}/\d", schema["properties"]["schema"]["const"])


def test_every_envelope_has_one() -> None:
    sources = [path.read_text() for path in (ROOT / "src/oddpixel").glob("**/*.py") if not path.is_symlink()]
    kinds = {kind for source in sources for kind in re.findall(r'\benvelope\("([a-z-]+)"', source)}
    assert kinds | {"detector"} == {name.removesuffix(".json") for name in SCHEMAS}


def test_what_is_printed_is_what_they_say(tmp_path: Path) -> None:
    for folder, seeds in (("normals", range(24)), ("incoming", range(90, 92))):
        (tmp_path / folder).mkdir()
        for seed in seeds:
            Pillow.fromarray(surface(seed)).save(tmp_path / folder / f"{seed}.png")
    (tmp_path / "incoming/broken.png").write_bytes(b"no")
    detector, run = tmp_path / "d", tmp_path / "run"
    check_schema(printed("fit", tmp_path / "normals", "-o", detector, "--channels", "density vector", "--json"))
    for rule in (["--alpha", 0.1], ["--fdr", 0.2], ["--alpha", 0.2, "--confidence", 0.5]):
        check_schema(printed("flag", tmp_path / "incoming", "--detector", detector, "-o", run, *rule, "--json"))
    check_schema(printed("density", tmp_path / "incoming", "--model", "photo-grey", "--json"))
    check_schema(printed("runs", "show", run, "--json"))
    check_schema(printed("runs", "verify", run, "--json"))
    check_schema(printed("audit", "--list-checks", "--json"))
    check_schema(printed("flag", tmp_path / "incoming", "--detector", detector, "-o", run, "--dry-run"))
    check_schema(printed("data", "show", "textures", "--json"))


def test_a_planted_violation_is_caught() -> None:
    with pytest.raises(jsonschema.ValidationError):
        check_schema(json.dumps({"schema": "oddpixel/checks/1", "items": [{"name": 3}]}))
