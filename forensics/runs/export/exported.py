"""What is exported: a run's rows with the decision that counts for each, and the state of the log at that moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from oddpixel.border import border
from oddpixel.errors import NotExported, OddPixelError, UnreadableInput

from ..heat_map import on_image, read_evidence
from ..regions import Region, standing_regions
from ..rows import Row, encoded, odd_themselves
from ..run import Run
from ..table import RunTable
from ..verdicts import UNDECIDED, Chain, Verdict, Verdicts, standing

Answer = TypeVar("Answer")
DECIDED = ("decision", "author", "decided_at", "note", "others")


@dataclass(frozen=True)
class DecidedRow:
    """A row, and what people decided about the content that it is about: the newest decision, which counts.

    Arguments:
        others: what others decided whose newest decision is another, as `ben: normal; carl: unsure`.
    """

    row: Row
    decision: str | None = None
    author: str | None = None
    decided_at: str | None = None
    note: str | None = None
    others: str | None = None

    @property
    def decided(self) -> dict[str, str | None]:
        """The columns of a decision, which stand beside those of the run."""
        return {name: getattr(self, name) for name in DECIDED}

    def cells(self) -> dict[str, Any]:
        """All values by column: those of the run's table, and `DECIDED`."""
        return encoded(self.row) | self.decided


@dataclass(frozen=True)
class Exported:
    """The rows of a run with their decisions, ready to be written in any form.

    Arguments:
    rows: in the order of the inputs.
    history: every decision about these items, oldest first.
    chain: of the log.
    drawn: every version of the regions drawn on these items, oldest first.
    """

    run: Run
    rows: list[DecidedRow]
    history: list[Verdict]
    chain: Chain | None
    drawn: list[Region] = field(default_factory=list)

    @classmethod
    def of(cls, run: Run, store: str | None, items: list[str] | None) -> Exported:
        """Collect the rows of a run and their latest decisions: of all items, or of those named. Raises: RunError."""
        key = run.record["id"]
        history: list[Verdict] = []
        drawn: list[Region] = []
        chain = None
        if store is not None or run.verdicts_path.exists():
            with Verdicts(store or run.verdicts_path) as verdicts:
                history, chain = verdicts.since(key, 0), verdicts.verify()
                drawn = verdicts.region_versions(key)
        histories: dict[str, list[Verdict]] = {}
        for verdict in history:
            histories.setdefault(verdict.item, []).append(verdict)
        # What counts is the newest that was not taken back, by whoever gave it: not the entry by which another was taken back.
        stands = {item: found for item, of_item in histories.items() if (found := standing(of_item))}
        wanted = None if items is None else set(items)
        rows = [
            _with_verdict(row, stands.get(row.item, ()))
            for row in RunTable(run).rows()
            if wanted is None or row.item in wanted
        ]
        history = [verdict for verdict in history if wanted is None or verdict.item in wanted]
        return cls(run, rows, history, chain, [region for region in drawn if wanted is None or region.item in wanted])

    def each(self, step: Callable[[DecidedRow], Answer], left_out: list[str]) -> Iterator[Answer]:
        """The result of `step` for each row; a row that fails becomes a sentence in `left_out`."""
        answers: Iterator[tuple[Answer] | None] = border(
            self.rows, lambda row: (step(row),), lambda row, error: left_out.append(failure(row.row.item, error))
        )
        for answer in answers:
            if answer is not None:
                yield answer[0]

    @property
    def threshold(self) -> float | None:
        """The evidence above which a place of a map is marked."""
        threshold: float | None = (self.run.record.get("decision") or {}).get("map_threshold")
        return threshold

    @cached_property
    def odd_themselves(self) -> set[str]:
        """Items that are odd by themselves; the others of a flagged group only share it with one."""
        rows = [row for row in RunTable(self.run).rows() if row.error is None]
        return odd_themselves(rows, (self.run.record.get("decision") or {}).get("flagged_up_to"))

    def marked(self, row: Row) -> np.ndarray | None:
        """The mask of marked places, `[h, w]` at the original's size; None where there is no map."""

        if row.map is None or row.height is None or row.width is None or self.threshold is None:
            return None
        heat, _ = read_evidence(self.run, row.map)
        marks: np.ndarray = on_image(heat, (row.height, row.width)) > self.threshold
        return marks

    def regions(self, row: Row) -> list[Region]:
        """What people drew on the content that a row is about."""
        return [
            region
            for region in standing_regions(region for region in self.drawn if region.item == row.item)
            if region.sha256 is None or region.sha256 == row.sha256
        ]

    def files(self) -> Iterator[Path]:
        """The files of the run by name, without locks and databases."""
        for path in sorted(self.run.path.rglob("*")):
            name = path.relative_to(self.run.path).as_posix()
            if path.is_file() and not path.is_symlink() and not name.startswith((".", "verdicts.sqlite")):
                yield path


@dataclass(frozen=True)
class Export:
    """A form that runs are written in.

    Arguments:
        suffix: of the file; empty where it is a folder.
        meaning: what it is for, in a line that people choose by.
        write: makes the file or folder; returns a sentence for each item that it could not hold.
    """

    name: str
    suffix: str
    meaning: str
    write: Callable[[Exported, Path], list[str]]


def failure(item: str, error: OddPixelError) -> str:
    """A sentence about an item that could not be exported."""
    if isinstance(error, NotExported):
        return f"{item} {error}"
    return f"{item}: {error}" if isinstance(error, UnreadableInput) else f"{item}: {type(error).__name__}: {error}"


def _with_verdict(row: Row, standing: Sequence[Verdict]) -> DecidedRow:
    """A verdict is about the content that was looked at: a watched file that was overwritten has a row for each.

    Arguments:
        standing: of the item, oldest first.
    """
    verdict = standing[-1] if standing else None
    if verdict is None or verdict.decision == UNDECIDED or (verdict.sha256 and verdict.sha256 != row.sha256):
        return DecidedRow(row)
    newest = {each.author: each for each in standing if not each.sha256 or each.sha256 == row.sha256}
    others = [
        f"{author}: {each.decision}"
        for author, each in newest.items()
        if each.decision not in (verdict.decision, UNDECIDED)
    ]
    return DecidedRow(row, verdict.decision, verdict.author, verdict.at, verdict.note, "; ".join(others) or None)
