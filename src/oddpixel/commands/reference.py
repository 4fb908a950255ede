"""The command reference, `docs/cli.md`, made from the commands themselves: `python -m oddpixel.commands.reference FILE`."""

from __future__ import annotations

import sys
from pathlib import Path

import typer
from typer.testing import CliRunner

from oddpixel.commands import app


def reference() -> str:
    """The help text of every command as Markdown."""
    root = typer.main.get_command(app)
    names = sorted(getattr(root, "commands", {}))
    parts = ["# Commands", "", "Made by `make docs` from the commands themselves.", ""]
    for name in ([], *[[name] for name in names]):
        result = CliRunner().invoke(
            app, [*name, "--help"], prog_name="oddpixel", env={"COLUMNS": "100"}, catch_exceptions=False
        )
        parts += [f"## oddpixel {' '.join(name)}".rstrip(), "", "```", result.stdout.strip(), "```", ""]
    return "\n".join(parts)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference())
