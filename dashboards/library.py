"""The runs that the dashboard shows, each opened once for all its visitors.

A run is known by the id in its run.json, never by a path: what comes in by a URL names no file.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from oddpixel.errors import MissingFile, RunError, UnreadableInput
from oddpixel.forensics.runs.rows import Row
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import Filter, RunTable
from oddpixel.forensics.runs.verdicts import UNDECIDED, Sent, Verdict, Verdicts, standing

from .originals import Originals

DECISIONS = ("normal", "odd", "unsure")
OWN = ("runs/*", "demo/run")  # where a dashboard's folder holds the runs that were made in it


@dataclass(eq=False)
class OpenRun:
    """One run with its table, its decisions and its originals, each opened at first use.

    Arguments:
        run: its folder.
        roots: the folders that originals may be shown from.
        store: a database URL for verdicts; None keeps them in the run's own SQLite file.
        thumbnails: what `similar` has read, by the number of rows then.
    """

    run: Run
    roots: tuple[Path, ...] = ()
    store: str | None = None
    thumbnails: dict[int, Any] = field(default_factory=dict)
    _seen: int = 0
    _histories: dict[str, list[Verdict]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def key(self) -> str:
        """The run's id, as URLs carry it."""
        return str(self.run.record["id"])

    @property
    def name(self) -> str:
        """What visitors know the run by: the title that they gave it, else the name of its folder."""
        return str(self.run.record.get("title") or self.folder_name)

    @property
    def folder_name(self) -> str:
        """The name of the run's folder, as file names and commands have it."""
        return self.run.path.resolve().name

    @cached_property
    def verdicts(self) -> Verdicts:
        """The store of decisions."""
        return Verdicts(self.store or self.run.verdicts_path)

    @cached_property
    def originals(self) -> Originals:
        """The original images, decoded on demand."""
        return Originals(self.run, self.roots)

    @cached_property
    def _table(self) -> RunTable:
        return RunTable(self.run)

    @property
    def table(self) -> RunTable:
        """The rows, with the decisions that were made so far."""
        with self._lock:
            newer = self.verdicts.since(self.key, self._seen)
            if newer:
                decisions = {verdict.item: _said(verdict) for verdict in newer}
                self._table.note_decisions(decisions, {verdict.item: verdict.sha256 for verdict in newer})
                for verdict in newer:
                    self._histories.setdefault(verdict.item, []).append(verdict)
                self._seen = newer[-1].seq
            return self._table

    def opinions(self, item: str) -> dict[str, str]:
        """Who thinks what of an item, as far as `table` has read: the newest decision of each that was not taken back."""
        return {verdict.author: verdict.decision for verdict in self.standing(item)}

    def standing(self, item: str) -> list[Verdict]:
        """The decisions about an item that were not taken back, as far as `table` has read."""
        return standing(self._histories.get(item, ()))

    def decision(self, item: str) -> str | None:
        """The decision that counts, as far as `table` has read."""
        history = self._histories.get(item)
        return _said(history[-1]) if history else None

    def changes(self, since: int) -> tuple[int, list[str]]:
        """The number of the newest decision, and the items that were decided on after number `since`."""
        _ = self.table  # reads what is new
        changed = [item for item, history in self._histories.items() if history[-1].seq > since]
        return self._seen, changed

    def row(self, item: str) -> Row:
        """The row of an item. Raises: RunError where the run has no such item."""
        # The newest, where a watched file was judged again after it changed.
        rows = self.table.page([Filter("item", "=", item)], order_by="shard", descending=True, limit=1)
        if not rows:
            raise RunError(f"the run {self.name} has no item {item}")
        return rows[0]

    def same_as(self, other: OpenRun, items: Sequence[str]) -> set[str]:
        """The items of this run that are, by their content, these items of another."""
        if other is self:
            return set(items)
        digests = {digest for digest in other.table.digests(items).values() if digest is not None}
        return set(self.table.column("item", [Filter("sha256", "in", sorted(digests))]))

    def file(self, name: str) -> Path:
        """The path of a file in the run's folder. Raises: MissingFile, which says nothing of this machine to a visitor."""
        try:
            return self.run.file(name)
        except UnreadableInput as error:
            raise MissingFile("the run has no such file") from error

    def decide(self, items: Sequence[str], decision: str, *, author: str, note: str = "") -> list[Verdict]:
        """Record one decision for several items at once, with the SHA-256 that each was scored with.

        Raises: RunError, UsageError.
        """
        scored = [(item, self.row(item).sha256) for item in items]
        return self.verdicts.record_all(self.key, scored, decision, author=author, note=note)

    def receive(self, sent: Sequence[Sent], *, author: str) -> list[str | None]:
        """Do what a browser has sent (`Verdicts.receive`), each with the SHA-256 that its items were scored with."""
        digests = self.table.digests([item for each in sent for item, _ in each.items])
        known = [each for each in sent if all(item in digests for item, _ in each.items)]
        done = iter(
            self.verdicts.receive(
                self.key,
                [replace(each, items=tuple((item, digests[item]) for item, _ in each.items)) for each in known],
                author=author,
            )
        )
        return [next(done) if each in known else f"the run {self.name} has no such item" for each in sent]

    def close(self) -> None:
        """Close the table, the store and the decoder as far as they were opened."""
        for part in ("verdicts", "originals", "_table"):
            if part in self.__dict__:
                self.__dict__[part].close()


def _said(verdict: Verdict) -> str | None:
    return None if verdict.decision == UNDECIDED else verdict.decision


class Library:
    """All runs of one dashboard, by id.

    Arguments:
        runs: folders of runs.
        folder: where the dashboard puts new runs, detectors and uploads; runs in it are shown too.
        data: folders that originals may be shown from, beside that one.
        store: a database URL for the verdicts of all runs.
    """

    def __init__(
        self,
        runs: Sequence[Path] = (),
        folder: Path | None = None,
        store: str | None = None,
        data: Sequence[Path] = (),
    ) -> None:
        self.given = [Path(run) for run in runs]
        self.folder = folder
        own = [folder / "uploads", folder / "demo"] if folder else []
        self.roots = tuple(path.resolve() for path in (*data, *own))
        self.store = store
        self._open: dict[str, OpenRun] = {}
        self._lock = threading.Lock()
        for path in self.given:
            Run.open(path)  # says now what is wrong with it

    def runs(self) -> list[OpenRun]:
        """The given runs in order, then those made here, newest first."""
        own = [sorted(self.folder.glob(f"{place}/run.json"), reverse=True) for place in OWN] if self.folder else []
        records = [record for found in own for record in found]
        return [run for path in [*self.given, *(record.parent for record in records)] if (run := self._opened(path))]

    def run(self, key: str) -> OpenRun:
        """The run of an id. Raises: RunError where there is none of that id."""
        if (opened := self._open.get(key)) is not None:
            return opened
        for run in self.runs():
            if run.key == key:
                return run
        raise RunError("this dashboard has no such run")

    def forget(self, key: str) -> None:
        """Close a run whose folder has gone."""
        with self._lock:
            opened = self._open.pop(key, None)
        if opened is not None:
            opened.close()

    def close(self) -> None:
        """Close all runs."""
        for run in self._open.values():
            run.close()
        self._open.clear()

    def _opened(self, path: Path) -> OpenRun | None:
        try:
            run = OpenRun(Run.open(path), self.roots, self.store)
            with self._lock:
                opened = self._open.get(run.key)
                if opened is None or opened.run.path != path:
                    opened = self._open.setdefault(run.key, run)
                return opened
        except (RunError, KeyError):  # not one any more, or not yet
            return None
