"""`python -m oddpixel …` in a process of its own, forked from one that has imported what commands import.

A fresh interpreter spends seconds of processor time on imports, and tests start hundreds of commands. What is forked is as
real: it has its arguments, environment, folder and streams, takes signals, and has a status at its end.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from io import TextIOWrapper
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.patience import PATIENCE


class Started:
    """A command that runs; used as `subprocess.Popen` is."""

    def __init__(self, process: Any, stdout: TextIOWrapper) -> None:
        self.process = process
        self.pid: int = process.pid
        self.stdout = stdout

    def poll(self) -> int | None:
        code: int | None = self.process.exitcode
        return code

    def wait(self, timeout: float | None = PATIENCE) -> int:
        self.process.join(timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("oddpixel", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    *arguments: object,
    stderr: Path | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Started:
    """Start a command; what it prints comes out of `stdout`, its errors too unless `stderr` names a file for them."""
    read, write = _context().Pipe(duplex=False)
    process = _begin(arguments, write, stderr, environment, cwd)
    write.close()
    stdout = os.fdopen(os.dup(read.fileno()), "r")
    read.close()
    return Started(process, stdout)


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    with tempfile.TemporaryDirectory() as folder:
        out, error = Path(folder, "out"), Path(folder, "error")
        process = _begin(arguments, out, error, None, cwd)
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired("oddpixel", PATIENCE)
        return subprocess.CompletedProcess(
            list(map(str, arguments)), process.exitcode, out.read_text("utf-8"), error.read_text("utf-8")
        )


def _begin(
    arguments: Sequence[object],
    stdout: Connection | Path,
    stderr: Path | None,
    environment: Mapping[str, str] | None,
    cwd: Path | None,
) -> Any:
    given = dict(os.environ if environment is None else environment)
    given.pop("PYTEST_CURRENT_TEST", None)
    process = _context().Process(  # type: ignore[attr-defined] -- the context of a forkserver
        target=_become, args=(tuple(map(str, arguments)), stdout, stderr, given, str(cwd or Path.cwd()))
    )
    with _without_a_main_module():
        process.start()
    return process


@contextlib.contextmanager
def _without_a_main_module() -> Iterator[None]:
    """What is forked would run the main module of these tests anew; Streamlit's tests leave a page of theirs there."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@cache
def _context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.preloaded"])
    return context


def _become(
    arguments: tuple[str, ...], stdout: Connection | Path, stderr: Path | None, environment: dict[str, str], cwd: str
) -> None:
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    _direct(1, stdout)
    _direct(2, stderr)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8", closefd=False)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", 1, encoding="utf-8", closefd=False)  # type: ignore[misc]
    sys.argv = ["oddpixel", *arguments]
    sys.path[0] = cwd
    try:
        runpy.run_module("oddpixel", run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()


def _direct(number: int, to: Connection | Path | None) -> None:
    """Let a stream go to a pipe or file; without one, to where the first goes."""
    if isinstance(to, Path):
        opened = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    else:
        os.dup2(1 if to is None else to.fileno(), number)
