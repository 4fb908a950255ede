"""What the commands print for people: tables on stdout, progress on stderr and only on a terminal."""

from __future__ import annotations

import logging
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from oddpixel.progress import Progress, counting, silent

MAX_ROWS = 60
WIDTH = 140  # characters of a table that goes into a file or a pipe


@dataclass(frozen=True)
class Coloured:
    """A cell's text, in a colour where the terminal has any."""

    text: str
    colour: str


Cell = str | Coloured


def error_cell(type: str, message: str) -> Coloured:
    """The text of an error in a table's cell."""
    return Coloured(f"{type}: {message}", "red")


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[Cell]], title: str | None = None, min_width: int | None = None
) -> None:
    """Print a table on stdout. Cells are text, not markup; control characters in them are replaced."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, title=title, title_justify="left", min_width=min_width, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(_markup, row))
    Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False, emoji=False).print(table)


def _markup(text: Cell) -> str:
    from rich.markup import escape

    if isinstance(text, Coloured):
        return f"[{text.colour}]{escape(shown(text.text))}[/{text.colour}]"
    return escape(shown(text))


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[], None]]:
    """The same for one task: a function to call once for each of `total`."""
    with shown_progress() as report:
        yield counting(what, total, report)


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """A bar with the time left on a terminal; lines `what done/total` where ODDPIXEL_PROGRESS=lines, else silent."""
    if not sys.stderr.isatty():
        yield _progress_lines() if os.environ.get("ODDPIXEL_PROGRESS") == "lines" else silent
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (*Bar.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def _progress_lines() -> Progress:
    """A line when a part begins or ends, and in between once a second."""
    part, shown_at = "", 0.0

    def report(what: str, done: int, total: int) -> None:
        nonlocal part, shown_at
        if what != part or done == total or time.monotonic() - shown_at >= 1:
            part, shown_at = what, time.monotonic()
            print(f"{what} {done}/{total}", file=sys.stderr, flush=True)

    return report


def log_to_stderr() -> None:
    """Tell people on stderr what OddPixel logs: warnings as such, notes as they are."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Plain())
    logger = logging.getLogger("oddpixel")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "warning: " if record.levelno >= logging.WARNING else ""
        return f"{prefix}{shown(record.getMessage())}"


SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def training_progress(
    steps: int, done: int, minutes: float | None = None
) -> Iterator[Callable[[int, dict[str, float]], None]]:
    """Show loss and time left: a live bar on a terminal, else a line on stderr now and then.

    Arguments:
        minutes: that are left of a training by the clock, which the number of steps says nothing of.
    """
    started = time.monotonic()
    if not sys.stderr.isatty():
        said_at = -math.inf

        def say(step: int, losses: dict[str, float]) -> None:
            nonlocal said_at
            spent = time.monotonic() - started
            if spent - said_at >= SECONDS_BETWEEN_LINES:  # at once how long it will take, then now and then
                said_at = spent
                left = spent / max(step - done, 1) * (steps - step) if minutes is None else 60 * minutes - spent
                shown = ", ".join(f"{name} {value:.4f}" for name, value in losses.items())
                of = f" of {steps}" if minutes is None else ""
                print(f"step {step}{of}: {shown}; {max(left, 0) / 60:.0f} min left", file=sys.stderr)

        yield say
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[losses]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        total = steps if minutes is None else 60 * minutes
        task = bar.add_task("training", total=total, completed=0 if minutes else done, losses="")
        yield lambda step, losses: bar.update(
            task,
            completed=time.monotonic() - started if minutes else step,
            losses=", ".join(f"{name} {value:.4f}" for name, value in losses.items()),
        )


@contextmanager
def stage_progress() -> Iterator[Callable[[str, int, int], Callable[[int, dict[str, float]], None]]]:
    """Show the same for trainings of several stages, each named when it begins."""
    with ExitStack() as stages:

        def on_stage(stage: str, done: int, steps: int) -> Callable[[int, dict[str, float]], None]:
            stages.close()
            print(f"stage {stage}: step {done} of {steps}", file=sys.stderr)
            return stages.enter_context(training_progress(steps, done))

        yield on_stage


def print_options(command: str, options: dict[str, Any]) -> None:
    """Print every option, resolved, as `--dry-run` does."""
    from oddpixel.envelope import envelope

    print(envelope("options", command=command, options=options))


def shown(text: str) -> str:
    """The text with control characters replaced, which a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def print_facts(facts: dict[str, Any]) -> None:
    """Print one line per fact; nothing for what is empty or a table of its own."""
    for name, value in facts.items():
        if value not in (None, "", ()) and not isinstance(value, Mapping):
            print(f"{name.replace('_', ' '):17} {cell(value)}")


def print_rows(title: str, rows: list[dict[str, Any]]) -> None:
    """Print a benchmark's table with one column for every key."""
    if not rows:
        return
    columns = list(dict.fromkeys(key for row in rows for key in row))
    print_table(columns, [[cell(row.get(column)) for column in columns] for row in rows], title)
    print()


def cell(value: Any) -> str:
    """The text of a value in a table: four digits, nothing for None."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
