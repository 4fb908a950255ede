"""Imports point down only, and Hugging Face's `datasets` stays what `import datasets` finds."""

from __future__ import annotations

import ast
import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import ROOT, SLOW, TESTS
from tests.patience import PATIENCE, until

BASE = {
    "border",
    "console",
    "counting",
    "discover",
    "folders",
    "identity_provider",
    "image",
    "errors",
    "naming",
    "parallel",
    "proportion",
    "places",
    "figure",
    "envelope",
    "files",
    "records",
    "results",
    "training",
    "devices",
    "encoders",
    "progress",
    "provenance",
    "recipe",
    "onnx_file",
    "step_graph",
    "weights",
}
ALLOWED = {
    "base": BASE,
    "datasets": BASE | {"datasets"},
    "forensics": BASE | {"datasets", "forensics"},
    "generation": BASE | {"datasets", "generation"},
    "top": BASE
    | {
        "datasets",
        "forensics",
        "generation",
        "api",
        "bench",
        "dashboards",
        "commands",
        "node",
        "service",
    },
}


def layer(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    if parts[0] in ("datasets", "forensics", "generation"):
        return parts[0]
    return "base" if path.stem in BASE else "top"


def violations(source: str, path: Path) -> list[str]:
    """Absolute imports of `oddpixel.X` that the layer of `path` may not make, and relative ones that leave its folder."""
    found = []
    depth = len(path.relative_to(ROOT).parts) - 1
    for node in ast.walk(ast.parse(source)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            if node.level > depth:
                found.append(f"{path}:{node.lineno} leaves its folder by a relative import")
            if node.level == 0 and node.module == "oddpixel":
                names = [f"oddpixel.{alias.name}" for alias in node.names]
            elif node.level == 0 and node.module:
                names = [node.module]
        for name in names:
            parts = name.split(".")
            if parts[0] in ("forensics", "generation", "dashboards"):  # would load a second copy of everything
                found.append(f"{path}:{node.lineno} imports {name} bare; import oddpixel.{name}")
            if parts[0] == "oddpixel" and len(parts) > 1 and parts[1] not in ALLOWED[layer(path)] | {"__version__"}:
                found.append(f"{path}:{node.lineno} imports {name}")
    return found


def modules() -> list[Path]:
    folders = ("datasets", "forensics", "generation", "dashboards")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return paths + [path for path in (ROOT / "src/oddpixel").rglob("*.py") if not path.is_symlink()]


def test_imports_point_down() -> None:
    own = [path for path in modules() if not any(parent.is_symlink() for parent in path.parents)]
    assert len(own) > 20
    assert [line for path in own for line in violations(path.read_text(), path)] == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("datasets/x.py", "from oddpixel.forensics.detect.score import Score"),
        ("forensics/x.py", "import oddpixel.generation.stages"),
        ("generation/x.py", "from oddpixel import forensics"),
        ("src/oddpixel/image.py", "from oddpixel.datasets.source import Source"),
        ("tests/x.py", "from forensics.detect.score import Score"),
        ("forensics/density/x.py", "from ...datasets.source import Source"),
    ],
)
def test_a_planted_upward_import_is_caught(path: str, source: str) -> None:
    assert violations(source, ROOT / path)


PREFIXES = ("audit_", "flag_", "cli_", "run_", "bench_", "parity_", "generate_")


def test_no_prefix_stands_in_for_a_folder() -> None:
    assert [path.name for path in modules() if path.name.startswith(PREFIXES)] == []


def graph() -> dict[str, set[str]]:
    """What each module imports of ours when it is run, but for annotations alone."""
    names = {_module(path): path for path in modules() if not any(parent.is_symlink() for parent in path.parents)}
    return {name: {_known(each, names) for each in _imported(path, name)} - {name, ""} for name, path in names.items()}


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts[2:] if parts[0] == "src" else parts
    return ".".join(("oddpixel", *parts)).removesuffix(".__init__")


def _imported(path: Path, name: str) -> Iterator[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in _run(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(filter(None, (base, node.module)))
            yield from (f"{source}.{alias.name}" for alias in node.names)


def _run(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            yield node
            yield from _run(node)


def _known(imported: str, names: Mapping[str, Path]) -> str:
    """The module that a name is imported from."""
    return imported if imported in names else parent if (parent := imported.rpartition(".")[0]) in names else ""


def circles(imports: Mapping[str, set[str]]) -> list[set[str]]:
    """Modules that import each other, directly or round about."""
    reached = {name: _reached(name, imports) for name in imports}
    found = {frozenset(other for other in reached[name] if name in reached[other]) for name in imports}
    return [set(circle) for circle in found if circle]


def _reached(name: str, imports: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        new = imports.get(waiting.pop(), set()) - seen
        seen |= new
        waiting += new
    return seen


def test_no_modules_import_each_other() -> None:
    assert circles(graph()) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}], "a planted circle"


ROOMS = {
    "density": {"runs"},
    "runs": set(),
    "inspection": {"runs"},
    "detect": {"density", "runs"},
    "audit": {"density", "runs"},
}


def test_rooms_of_forensics_know_only_those_below() -> None:
    """The audit knows nothing of the detector, and runs know neither."""
    wrong = []
    for name, imported in graph().items():
        if name.startswith("oddpixel.forensics."):
            room = name.split(".")[2]
            others = {each.split(".")[2] for each in imported if each.startswith("oddpixel.forensics.")} - {room}
            wrong += [f"{name} imports {other}" for other in others - ROOMS[room]]
    assert wrong == []


def test_datasets_is_no_package_and_there_is_no_pages_folder() -> None:
    assert not (ROOT / "datasets/__init__.py").exists()
    assert not (ROOT / "dashboards/pages").exists()
    for name in ("datasets", "forensics", "generation", "dashboards"):
        assert (ROOT / "src/oddpixel" / name).is_symlink()


# One string, so that it stays whole where several script runs print at once.
SHOW = """import datasets, oddpixel.datasets.source; print(f"found {'load_dataset' in dir(datasets)}")"""


@pytest.mark.parametrize("how", ["python -c", "python -m pytest", "python -m streamlit run"])
def test_hugging_face_datasets_is_found_from_the_root(how: str, tmp_path: Path) -> None:
    pytest.importorskip("streamlit")
    if how == "python -c":
        command = [sys.executable, "-c", SHOW]
    elif how == "python -m pytest":
        (tmp_path / "test_it.py").write_text(f"def test_it():\n    {SHOW}\n")
        command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", str(tmp_path / "test_it.py")]
    else:
        return _streamlit(tmp_path)
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert "found True" in result.stdout, result.stdout + result.stderr
    return None


def _streamlit(tmp_path: Path) -> None:
    """A real server, and a real websocket client so that the script really runs."""
    import socket
    import time

    script = tmp_path / "app.py"
    script.write_text(f"{SHOW}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        f"--server.port={port}",
        "--server.headless=true",
        "--browser.gatherUsageStats=false",
        "--server.address=127.0.0.1",
    ]
    log = tmp_path / "log"
    with log.open("w") as output:
        command = [sys.executable, "-u", "-m", "streamlit", "run", str(script), *options]
        server = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        from websockets.sync.client import connect

        def answered() -> bool:
            with contextlib.suppress(OSError), connect(f"ws://127.0.0.1:{port}/_stcore/stream") as channel:
                _rerun(channel)
                time.sleep(2)
            return "found" in log.read_text()

        until(answered, "the script's output")
        assert "found True" in log.read_text(), log.read_text()
    finally:
        server.kill()
        server.wait()


def _rerun(channel: object) -> None:
    from streamlit.proto.BackMsg_pb2 import BackMsg

    message = BackMsg()
    message.rerun_script.query_string = ""
    channel.send(message.SerializeToString())  # type: ignore[attr-defined]


def test_what_is_slow_is_there() -> None:
    """A list of modules that have moved would let `make quick` run everything."""
    for name in SLOW:
        assert (TESTS / name).is_dir() or (TESTS / f"{name}.py").is_file(), name
