"""The command line: parse, call one library function, print. One command a file (`COMMAND`), found by walking this folder.

Results go to stdout (`--json` for machines), talk and progress to stderr. Exit 0 fine, 1 `--fail-on` was asked for and met, or
an image failed unexpectedly, 2 usage, 3 nothing was readable. Everything heavy is imported inside the commands.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer

from oddpixel import __version__
from oddpixel.console import log_to_stderr
from oddpixel.discover import discover
from oddpixel.errors import OddPixelError, UnreadableInput

# Before torch is loaded. Where cores are shared, threads that wait for each other by spinning took 100 times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, rich_markup_mode=None)


def main() -> None:
    """Run the command line; errors that OddPixel raises on purpose become one line on stderr and an exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a path may hold bytes that are no UTF-8
        sys.stdout.reconfigure(errors="backslashreplace")
    log_to_stderr()
    try:
        app()
    except UnreadableInput as error:
        _fail(error, 3)
    except OddPixelError as error:
        _fail(error, 2)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone (`| head`); that is no error
        raise SystemExit(0) from None


def _fail(error: OddPixelError, code: int) -> None:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    raise SystemExit(code) from error


def _version(wanted: bool) -> bool:
    if wanted:
        print(f"oddpixel {__version__}")
        raise typer.Exit
    return wanted


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """How odd an image is, where, and how sure."""


for name, command in discover(__name__, "COMMAND").items():
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name)
    else:
        app.command(name)(command)
