"""Readings: items of a run handed out to several readers, who decide blindly, each in an order of their own.

Blind means: the page of a reading shows no name, score, flag, map or verdict, and the order says nothing of an item.
Verdicts given there go into the run's log with a note that names the reading; agreement counts those alone. Until a reader is
through, no other view of any run tells them anything of its items either (`Site.blind_items`).
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import combinations
from pathlib import Path

from filelock import FileLock

from oddpixel.counting import counted
from oddpixel.errors import RunError, UsageError
from oddpixel.forensics.runs.verdicts import Verdict, standing
from oddpixel.records import read_record

from .agreement import Agreement, agreement
from .library import DECISIONS, OpenRun

MOST_ITEMS, MOST_READERS, LONGEST = 5000, 20, 80
TEXTS = {"type": "array", "items": {"type": "string"}}
SCHEMA = {
    "type": "object",
    "required": ["key", "run", "name", "author", "made", "readers", "items"],
    "properties": {
        **{name: {"type": "string"} for name in ("key", "run", "name", "author", "made")},
        "readers": TEXTS,
        "items": TEXTS,
    },
}


@dataclass(frozen=True)
class Reading:
    """What a lead hands out.

    Arguments:
        run: its key.
        author: who handed it out.
        readers: names that verdicts are logged under.
    """

    key: str
    run: str
    name: str
    author: str
    made: str
    readers: tuple[str, ...]
    items: tuple[str, ...]

    @property
    def note(self) -> str:
        """How the notes of its verdicts read."""
        return f"blind reading {self.key}"

    def order(self, reader: str) -> list[str]:
        """The items as one reader gets them: shuffled, the same each time, and for no other reader alike."""
        items = list(self.items)
        random.Random(f"{self.key} {reader}").shuffle(items)
        return items

    def verdicts(self, run: OpenRun) -> dict[str, dict[str, str]]:
        """By reader, their newest verdict on each item that was given in this reading and not taken back."""
        found: dict[str, dict[str, str]] = {reader: {} for reader in self.readers}
        histories: dict[str, list[Verdict]] = {}
        for verdict in run.verdicts.since(run.key, 0):
            histories.setdefault(verdict.item, []).append(verdict)
        for item in self.items:
            for verdict in standing(histories.get(item, [])):
                if verdict.note == self.note and verdict.author in found:
                    found[verdict.author][item] = verdict.decision
        return found

    def is_open(self, run: OpenRun, reader: str) -> bool:
        """Whether a reader has not yet decided on all items."""
        _ = run.table  # reads what is new
        return not all(
            any((verdict.author, verdict.note) == (reader, self.note) for verdict in run.standing(item))
            for item in self.items
        )

    def agreements(self, run: OpenRun) -> list[tuple[str, str, Agreement]]:
        """Of each two readers, on the items that both have read."""
        found = []
        verdicts = self.verdicts(run)
        for first, second in combinations(self.readers, 2):
            both = [item for item in self.items if item in verdicts[first] and item in verdicts[second]]
            labels = [[verdicts[reader][item] for item in both] for reader in (first, second)]
            if (of_two := agreement(labels[0], labels[1], DECISIONS)) is not None:
                found.append((first, second, of_two))
        return found

    def disputed(self, run: OpenRun) -> list[tuple[str, dict[str, str]]]:
        """Items that readers decided differently, with what each said: for those who settle it."""
        verdicts = self.verdicts(run)
        said = {item: {reader: of[item] for reader, of in verdicts.items() if item in of} for item in self.items}
        return [(item, of) for item, of in said.items() if len(set(of.values())) > 1]


@dataclass(frozen=True)
class Readings:
    """All readings of a dashboard, one JSON file each."""

    folder: Path

    def all(self) -> list[Reading]:
        """Newest first; a damaged one is passed over."""
        found = []
        for path in self.folder.glob("*.json"):
            try:
                found.append(_read(path, path.stat().st_mtime_ns))
            except (OSError, RunError):
                continue
        return sorted(found, key=lambda reading: reading.made, reverse=True)

    def handed_to(self, reader: str) -> list[Reading]:
        """Those that were handed out to a reader, of all runs."""
        return [reading for reading in self.all() if reader in reading.readers]

    def hand_out(self, run: OpenRun, name: str, readers: Sequence[str], items: Sequence[str], author: str) -> Reading:
        """Begin a reading. Raises: UsageError."""
        names = tuple(dict.fromkeys(reader.strip()[:LONGEST] for reader in readers if reader.strip()))
        if len(names) < 2 or len(names) > MOST_READERS:
            raise UsageError(f"name 2 to {MOST_READERS} readers, each as their verdicts are logged; got {len(names)}")
        if not items or len(items) > MOST_ITEMS:
            raise UsageError(f"a reading has 1 to {MOST_ITEMS} items; these would be {counted(len(items), 'item')}")
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        reading = Reading(
            uuid.uuid4().hex, run.key, name.strip()[:LONGEST] or "reading", author, made, names, tuple(items)
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            written = self.folder / f"{reading.key}.tmp"
            written.write_text(json.dumps(asdict(reading), indent=1))
            written.replace(self.folder / f"{reading.key}.json")
        return reading


@lru_cache(maxsize=256)
def _read(path: Path, _changed: int) -> Reading:
    record = read_record(path, SCHEMA, RunError)
    return Reading(**record | {name: tuple(record[name]) for name in ("readers", "items")})


def decide(reading: Reading, run: OpenRun, reader: str, item: str, decision: str) -> None:
    """Record a reader's blind verdict. Raises: UsageError for whom the reading was not handed out to, RunError."""
    if reader not in reading.readers:
        raise UsageError(f"this reading was handed out to {', '.join(reading.readers)}, not to {reader}")
    if item not in reading.items or decision not in DECISIONS:
        raise UsageError("the reading has no such item, or there is no such decision")
    run.decide([item], decision, author=reader, note=reading.note)


def drawn(run: OpenRun, items: Sequence[str], count: int, seed: int) -> list[str]:
    """So many of the items by chance, the same for a seed; all where there are fewer."""
    names = sorted(set(items))
    return names if len(names) <= count else sorted(random.Random(f"{run.key} {seed}").sample(names, count))
