"""A run and what people decided, in the forms that other programs read. One form a file, found by walking this folder.

    export(run, "csv", Path("table.csv"))

A form is one file with an `EXPORT`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from oddpixel.discover import discover
from oddpixel.errors import RunError, UsageError
from oddpixel.naming import no_such

from ..run import Run
from .exported import Export, Exported


@cache
def forms() -> dict[str, Export]:
    """All export forms by name."""
    return discover(__name__, "EXPORT")


def export(
    run: Run,
    form: str,
    path: Path,
    *,
    store: str | None = None,
    items: list[str] | None = None,
    overwrite: bool = False,
) -> list[str]:
    """Write a run in that form; what could not be put into it, a sentence each.

    Arguments:
        path: the file, or folder, to write; must not be there yet.
        overwrite: replace a file that is there, once the new one is whole.
        store: where verdicts are kept, a database URL; None for the run's own file.
        items: only these; None for all.

    Raises: UsageError, RunError.
    """
    if form not in forms():
        raise UsageError(no_such("form", form, forms()))
    if os.path.lexists(path) and not (overwrite and path.is_file() and not path.is_symlink()):
        raise UsageError(f"{path} is there already; name another (-o), or replace a file with --overwrite")
    exported = Exported.of(run, store, items)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".oddpixel-export-") as folder:
            temporary = Path(folder) / path.name
            left_out: list[str] = forms()[form].write(exported, temporary)
            shutil.move(temporary, path)
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}; nothing was left there") from error
    return left_out
