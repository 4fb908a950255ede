"""The shell: what `oddpixel` alone says, default folders, suggestions, colours, completion, extras and their errors."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

from oddpixel.commands import app
from oddpixel.naming import no_such
from tests.conftest import ROOT
from tests.patience import PATIENCE
from tests.test_cli import oddpixel

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def commands() -> dict[str, typer.models.CommandInfo]:
    return {str(command.name): command for command in app.registered_commands}


def test_alone_it_shows_the_four_jobs() -> None:
    result = oddpixel()
    assert result.returncode == 0
    shown = re.findall(r"oddpixel ([a-z]+)", result.stdout)
    assert {"fit", "flag", "audit", "density", "generate", "demo", "dashboard"} <= set(shown) <= set(commands())
    assert all(len(line) <= 90 for line in result.stdout.splitlines())


def test_every_folder_has_a_default() -> None:
    """`-o` may be left out wherever it is."""
    for name, command in commands().items():
        parameters = inspect.signature(command.callback).parameters  # type: ignore[arg-type]
        if "out" in parameters:
            assert parameters["out"].default is not inspect.Parameter.empty, name


def test_examples_name_options_that_there_are() -> None:
    group = typer.main.get_command(app)
    with_examples = 0
    for name, command in commands().items():
        options = {option for each in group.commands[name].params for option in each.opts}  # type: ignore[attr-defined]
        for line in re.findall(r"oddpixel (.*)", command.epilog or ""):
            assert line.split()[0] == name
            assert {word for word in line.split() if word.startswith("-")} <= options, line
            with_examples += 1
    assert with_examples > 20


def test_mistyped_names_are_guessed(tmp_path: Path) -> None:
    assert "Did you mean 'flag'?" in oddpixel("flga").stderr
    assert "--alpha" in oddpixel("flag", "x", "--alphas", "0.1").stderr
    assert oddpixel("export", tmp_path, "--to", "cvs").stderr.rstrip().endswith("did you mean csv?")
    assert no_such("form", "roses", ["csv", "zip"]) == "no form 'roses'; there are csv, zip"


def test_colours_are_left_out_where_nobody_wants_them() -> None:
    program = "from oddpixel.console import Coloured, print_table; print_table(('a',), [(Coloured('red', 'red'),)])"
    for asked, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        environment |= {"FORCE_COLOR": "1", "TERM": "xterm", **asked}
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
        )
        assert ("\x1b[31m" in done.stdout) is coloured


def test_completion_is_offered() -> None:
    result = oddpixel("--show-completion", "bash")
    assert "--install-completion" in oddpixel("--help").stdout
    assert result.returncode == 0 or "bash" in result.stderr  # it asks which shell it runs in


def test_errors_name_extras_that_there_are() -> None:
    """Whatever a message tells people to install, pip knows."""
    named: set[str] = set()
    for folder in ("forensics", "generation", "datasets", "dashboards", "src/oddpixel"):
        for path in (ROOT / folder).rglob("*.py"):
            named |= set(re.findall(r"pip install 'oddpixel\[([a-z0-9-]+)\]'", path.read_text()))
    assert {"video", "text", "pdf", "onnx", "dicom-results", "plots"} <= named <= set(EXTRAS)
    documented = set(re.findall(r"`([a-z0-9-]+)`", (ROOT / "docs/install.md").read_text()))
    assert set(EXTRAS) - {"dev"} <= documented


def test_all_is_all_but_the_gpl() -> None:
    def resolved(extra: str) -> set[str]:
        found: set[str] = set()
        for requirement in EXTRAS[extra]:
            inner = re.fullmatch(r"oddpixel\[(.*)\]", requirement)
            found |= set().union(*map(resolved, inner[1].split(","))) if inner else {requirement}
        return found

    everything = set().union(*(resolved(name) for name in EXTRAS if name not in ("dev", "gpl-codecs")))
    assert resolved("all") == everything
    assert not resolved("all") & set(EXTRAS["gpl-codecs"])


def test_a_missing_extra_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    """As in an environment without matplotlib."""
    program = (
        "import sys; sys.modules['matplotlib.figure'] = None; from oddpixel.figure import new_figure; new_figure(1, 1)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith("UsageError: plots need matplotlib: pip install 'oddpixel[plots]'")


@pytest.mark.parametrize(("shell", "activate"), [("/bin/bash", "activate"), ("/usr/bin/fish", "activate.fish")])
def test_the_demo_ends_with_how_to_go_on(shell: str, activate: str, tmp_path: Path) -> None:
    """The recipe itself, with a program in Python's place that does nothing."""
    (tmp_path / "python").symlink_to("/bin/true")
    (tmp_path / ".ready").touch()
    command = ["make", "demo", f"BIN={tmp_path}", f"READY={tmp_path}/.ready", "-o", f"{tmp_path}/.ready"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"SHELL": shell},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert f"source {tmp_path}/{activate}\n" in done.stdout
    assert "oddpixel dashboard demo/run" in done.stdout
