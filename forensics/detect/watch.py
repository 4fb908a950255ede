"""`oddpixel watch`: images of a folder as they arrive, each content of each file exactly once, also across restarts.

A file has arrived when it looked the same twice in a row (size and time); overwritten, it arrives again, and both rows stay. Its
rows are one part, which appears whole or not at all: killed before, the file is scored again; killed after, it is known by its
name and SHA-256. Each image is decided on as it comes, so there is
no batch to control a false discovery rate over; what is promised is the rate of false alarms, until the drift martingale
objects.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from oddpixel.datasets.arrivals import Arrivals
from oddpixel.datasets.entry import Entry
from oddpixel.datasets.pairs import open_whole
from oddpixel.datasets.reading import Reader
from oddpixel.datasets.source import reader_of
from oddpixel.errors import RunError, UnreadableInput, UsageError
from oddpixel.forensics.runs.heat_map import MAPS_UP_TO
from oddpixel.forensics.runs.order import Order
from oddpixel.forensics.runs.rows import Row
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import RunTable
from oddpixel.image import file_and_frame

from .decide import DRIFT_LEVEL, Rule, promised_by, ranked_only
from .drift import Monitor
from .flag import score_rows
from .guarantee import Guarantee
from .store import load, read_record


@dataclass(frozen=True, eq=False)
class Arrival:
    """One decided row.

    Arguments:
        promise: in words; empty once the drift alarm went off, and where nothing can be promised.
        warnings: why nothing is promised from the start.
    """

    row: Row
    promise: str
    drift_alarm: bool
    warnings: tuple[str, ...] = ()


def watch_folder(
    folder: Path,
    detector: Path,
    out: Path,
    rule: Rule,
    *,
    encoder: str | None = None,
    device: str = "cpu",
    seconds: float = 2.0,
    until_idle: float | None = None,
) -> Iterator[Arrival]:
    """Rows as they are written. Raises: UsageError, RunError, and what loading a detector raises."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder to watch")
    if rule.fdr is not None or rule.strata:
        raise UsageError("images that arrive one by one are decided on one by one: --fdr and --strata need a batch")
    loaded = load(detector, encoder, device)
    calibrating = loaded.calibrated_.num_groups
    promised = promised_by(calibrating, rule)
    warnings = (*loaded.doubts_, *(() if promised else (ranked_only(calibrating, rule),)))
    run = _begin(out, detector, rule)
    arrivals = Arrivals(folder)
    reader = reader_of(num_workers=1)
    with run.writing_alone():
        earlier = RunTable(run).rows()
        judged = {content for row in earlier for content in _contents(row)}
        monitor = Monitor(loaded.calibrated_.maxima, level=DRIFT_LEVEL)
        for row in earlier:
            if row.raw is not None:
                monitor(row.raw)
        idle_since = time.monotonic()
        while until_idle is None or arrivals.is_settling or time.monotonic() - idle_since < until_idle:
            for entry, looks in arrivals.look():
                new = [each for each in arrivals.content(entry) if (each.name, _digest(each, reader)) not in judged]
                rows = [
                    _decided(row, promised)
                    for row in score_rows(run, reader.read(new), loaded, maps_up_to=max(MAPS_UP_TO, rule.alpha))
                ]
                if not arrivals.take(entry, looks):  # it changed while it was read
                    continue
                judged |= {content for row in rows for content in _contents(row)}
                if not rows:
                    continue
                run.write_part(len(run.parts()), rows)
                idle_since = time.monotonic()
                for row in rows:
                    if row.raw is not None:
                        monitor(row.raw)
                    yield Arrival(row, "" if monitor.alarm or warnings else str(promised), monitor.alarm, warnings)
            time.sleep(seconds)
        decision = {"rule": asdict(rule), "drift_alarm": monitor.alarm, "warnings": list(warnings)}
        run.finish(decision=decision, left_out=[asdict(each) for each in arrivals.left_out])


def _begin(out: Path, detector: Path, rule: Rule) -> Run:
    """A watch has no list of inputs: its run is the same whatever arrives."""
    record = read_record(detector)
    options = {
        "detector": record["channels_sha256"],
        "calibration": record["calibration_sha256"],
        "rule": asdict(rule),
    }
    order = Order(kind="watch", items=(), options=options, shard_size=1)
    if (out / "run.json").exists():
        run = Run.open(out)
        if not run.is_same(order):
            raise RunError(f"{out} holds another run; name another folder, or the same detector and rule to go on")
        return run
    return Run.begin(out, order)


def _contents(row: Row) -> Iterator[tuple[str, str | None]]:
    """What a row is known by: its file, or that file without the number of a frame, and the SHA-256 of its content."""
    yield row.item, row.sha256
    yield file_and_frame(row.item)[0], row.sha256


def _digest(entry: Entry, reader: Reader) -> str | None:
    """Of a file's content; None where it cannot be read, as in the row that says so."""
    try:
        with open_whole(entry, reader.limits) as file:
            reader.limits.check_bytes(file.seek(0, 2))
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    except (UnreadableInput, OSError):
        return None


def _decided(row: Row, promised: Guarantee | None) -> Row:
    is_flagged = promised is not None and row.p_value is not None and row.p_value <= promised.threshold
    return row if row.p_value is None else replace(row, flagged=is_flagged)
