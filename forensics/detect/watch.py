"""`oddpixel watch`: images of a folder as they arrive, each exactly once, also across restarts.

A file has arrived when it looked the same twice in a row (size and time). Its rows are one part, which appears whole or not
at all: killed before, the file is scored again; killed after, it is known. Each image is decided on as it comes, so there is
no batch to control a false discovery rate over; what is promised is the rate of false alarms, until the drift martingale
objects.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from oddpixel.datasets.entry import Entry
from oddpixel.datasets.source import FileSource, open_source
from oddpixel.errors import RunError, UsageError
from oddpixel.forensics.run_table import RunTable
from oddpixel.forensics.runs import Run

from .decide import DRIFT_LEVEL, Rule
from .drift import Monitor
from .flag import score_row
from .guarantee import Guarantee, guarantee
from .store import load, read_record


@dataclass(frozen=True, eq=False)
class Arrival:
    """One decided row.

    Arguments:
        promise: in words; empty once the drift alarm went off.
    """

    row: dict[str, Any]
    promise: str
    drift_alarm: bool


def watch_folder(
    folder: Path,
    detector: Path,
    out: Path,
    rule: Rule,
    *,
    encoder: str | None = None,
    seconds: float = 2.0,
    until_idle: float | None = None,
) -> Iterator[Arrival]:
    """Rows as they are written. Raises: UsageError, RunError, CalibrationTooSmall, and what loading a detector raises."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder to watch")
    if rule.fdr is not None or rule.strata:
        raise UsageError("images that arrive one by one are decided on one by one: --fdr and --strata need a batch")
    loaded = load(detector, encoder)
    promised = guarantee(loaded.calibrated_.num_groups, rule.alpha, rule.confidence)
    run = _begin(out, detector, rule)
    with run.writing_alone():
        table = RunTable(run).frame()
        known = {name for item in table["item"] for name in _files_of(str(item))}
        monitor = Monitor(loaded.calibrated_.maxima, level=DRIFT_LEVEL)
        for raw in table["raw"].dropna():
            monitor(float(raw))
        seen: dict[str, tuple[int, int]] = {}
        idle_since = time.monotonic()
        while until_idle is None or time.monotonic() - idle_since < until_idle:
            for name, source in _arrived(folder, known, seen):
                known.add(name)
                rows = [_decided(score_row(run, image, loaded), promised) for image in source]
                run.write_part(len(run.parts()), rows)
                idle_since = time.monotonic()
                for row in rows:
                    if row.get("raw") is not None:
                        monitor(row["raw"])
                    yield Arrival(row, "" if monitor.alarm else str(promised), monitor.alarm)
            time.sleep(seconds)
        run.finish(decision={"rule": asdict(rule), "drift_alarm": monitor.alarm})


def _begin(out: Path, detector: Path, rule: Rule) -> Run:
    """A watch has no list of inputs: its run is the same whatever arrives."""
    record = read_record(detector)
    options = {
        "detector": record["channels_sha256"],
        "calibration": record["calibration_sha256"],
        "rule": asdict(rule),
    }
    if (out / "run.json").exists():
        run = Run.open(out)
        if not run.is_same("watch", options, [], 1):
            raise RunError(f"{out} holds another run; name another folder, or the same detector and rule to go on")
        return run
    return Run.begin(out, "watch", options, [], shard_size=1)


def _arrived(folder: Path, known: set[str], seen: dict[str, tuple[int, int]]) -> Iterator[tuple[str, FileSource]]:
    """Files that are new and stand still; `seen` remembers how the others looked."""
    for path in sorted(each for each in folder.rglob("*") if each.is_file() and not each.name.startswith(".")):
        name = path.relative_to(folder).as_posix()
        if name in known:
            continue
        try:
            state = path.stat()
        except OSError:  # gone again
            continue
        looks = (state.st_size, state.st_mtime_ns)
        if seen.get(name) != looks:
            seen[name] = looks
            continue
        source = open_source(path, num_workers=1)
        entries = tuple(_renamed(entry, name) for entry in source.entries)
        yield name, FileSource(entries, source.reader)


def _renamed(entry: Entry, name: str) -> Entry:
    return replace(entry, name=name if entry.member is None else f"{name}/{entry.member}")


def _files_of(item: str) -> Iterator[str]:
    """The file that an item came out of: itself without its frame, or the archive it is a member of."""
    name = item.partition("#")[0]
    while name:
        yield name
        name = name.rpartition("/")[0]


def _decided(row: dict[str, Any], promised: Guarantee) -> dict[str, Any]:
    if row.get("p_value") is None:
        return row
    return row | {"flagged": row["p_value"] <= promised.threshold}
