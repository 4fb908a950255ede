"""The command line: parse, call one library function, print. One command a file (`COMMAND`, and `EXAMPLES` for its
help), found by walking this folder.

Results go to stdout (`--json` for machines), talk and progress to stderr. Exit 0 fine, 1 `--fail-on` was asked for and met, or
an image failed unexpectedly, 2 usage, 3 nothing was readable. Everything heavy is imported inside the commands.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from oddpixel import __version__
from oddpixel.console import log_to_stderr
from oddpixel.discover import discover
from oddpixel.errors import OddPixelError, UnreadableInput

# Before torch is loaded. Where cores are shared, threads that wait for each other by spinning took 100 times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

WELCOME = """\
OddPixel tells how odd an image is, where, and how sure it can be. Four jobs:

  flag odd images, from normal ones alone    oddpixel fit good/ -o detector
                                             oddpixel flag new/ --detector detector
  audit files that may be manipulated        oddpixel audit photo.jpg
  measure likelihoods                        oddpixel density photo.jpg
  make synthetic references                  oddpixel generate --like photo.jpg

No images at hand?   oddpixel demo
Results to look at:  oddpixel dashboard RUN
All commands:        oddpixel --help; oddpixel COMMAND --help has examples
Completion:          oddpixel --install-completion"""

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)

# What Typer hands over: its own `Context` only names it.
if TYPE_CHECKING:
    from typer import Context
else:
    Context = typer.Context.__mro__[1]


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


@app.callback(invoke_without_command=True)
def _root(
    context: Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """How odd an image is, where, and how sure."""
    if context.invoked_subcommand is None:
        print(WELCOME)


def _epilog(command: Callable[..., None]) -> str | None:
    """The examples of a command's file, as they stand there."""
    examples: tuple[str, ...] = getattr(sys.modules[command.__module__], "EXAMPLES", ())
    return "\b\nExamples:\n" + "\n".join(f"  oddpixel {each}" for each in examples) if examples else None


for name, command in discover(__name__, "COMMAND").items():
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name)
    else:
        app.command(name, epilog=_epilog(command))(command)
