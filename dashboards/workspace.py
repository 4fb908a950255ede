"""Runs renamed and deleted by visitors.

A run is deleted only where this dashboard made it, whole or not at all, and never with others' verdicts unless that is said. The
verdicts and their log stay in any case, in `deleted/`: what people decided is not the machine's to lose.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from oddpixel.counting import counted
from oddpixel.errors import RunError, UsageError
from oddpixel.forensics.runs.order import title_of

from .library import Library, OpenRun

DELETED = "deleted"


def rename(run: OpenRun, title: str) -> None:
    """Give a run a title; an empty one leaves it the name of its folder. Raises: RunError while the run is being written."""
    title = title_of(title)
    with run.run.writing_alone():
        record = {name: value for name, value in run.run.record.items() if name != "title"}
        run.run.write_json("run.json", record | ({"title": title} if title else {}))


def items_decided(run: OpenRun) -> Mapping[str, int]:
    """On how many of the run's items each person has decided."""
    decided = {(verdict.author, verdict.item) for verdict in run.verdicts.since(run.key, 0)}
    return Counter(author for author, _ in decided)


def is_own(library: Library, run: OpenRun) -> bool:
    """Whether this dashboard made the run, in a folder of its own that is no link."""
    if library.folder is None or run.run.path.is_symlink():
        return False
    path, folder = run.run.path.resolve(), library.folder.resolve()
    return path.parent in (folder / "runs", folder / "demo")


def delete(library: Library, run: OpenRun, *, author: str, with_others: bool = False) -> Path | None:
    """Delete a run that was made here; where its verdicts are now, None where it had none of its own.

    Arguments:
        with_others: that others have decided on its items is known.

    Raises: UsageError where it may not be deleted, RunError while it is being written, and where files stay behind.
    """
    if library.folder is None or not is_own(library, run):
        raise UsageError(
            f"{run.name} was not made in this dashboard, which deletes only what it made; delete {run.run.path} there"
        )
    others = {name: count for name, count in items_decided(run).items() if name != author}
    if others and not with_others:
        said = ", ".join(f"{name} on {counted(count, 'item')}" for name, count in sorted(others.items()))
        raise UsageError(f"others have decided on this run: {said}; say that it may go all the same")
    name, place = run.name, library.folder / DELETED
    doomed = place / run.key
    try:
        place.mkdir(parents=True, exist_ok=True)
        with run.run.writing_alone():
            run.verdicts.note_action(run.key, "", "run deleted", author=author)
            kept = _keep_verdicts(run, place / f"{run.folder_name}-{run.key[:8]}-verdicts.sqlite")
            run.run.path.rename(doomed)
        library.forget(run.key)
        shutil.rmtree(doomed)
    except (OSError, sqlite3.Error) as error:
        raise RunError(f"{name} could not be deleted altogether: {error}") from error
    return kept


def _keep_verdicts(run: OpenRun, path: Path) -> Path | None:
    """A copy of the run's own database; None where verdicts are kept in one of the team's."""
    if run.store is not None:
        return None
    with closing(sqlite3.connect(run.run.verdicts_path)) as own, closing(sqlite3.connect(path)) as copy:
        own.backup(copy)
    return path
