"""What runs a job's command and outlives the dashboard: a program of its own, on the standard library alone.

    python -I job_runner.py FOLDER COMMAND...

    FOLDER/log      all that the command prints
    FOLDER/phase    the phase that it is in: name, when that began, and its share done then
    FOLDER/exit     its exit status, once it has ended

A phase is what stands before the numbers of a line `reading normals 12/40`. Of several files,
`auditing a.png (1 of 3): reading 2/5`, all files together are one phase.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

COUNTED = re.compile(r"(?P<doing>.*?)\s*\b(?P<done>\d{1,12})/(?P<whole>\d{1,12})$")
OF_SEVERAL = re.compile(r"(?P<phase>\w+) .* \((?P<number>\d+) of (?P<count>\d+)\): ")
BEGUN = re.compile(r"(?P<doing>\w.*?) ?\.\.\.$")
LONGEST = 1000  # characters of a line that may tell of progress


@dataclass(frozen=True)
class Step:
    """What a line of a log says of the progress.

    Arguments:
        phase: stays the same while `share` grows.
        doing: in words.
        counts: done and all of what is counted; None where nothing is.
        share: of the phase that is done.
    """

    phase: str
    doing: str
    counts: tuple[int, int] | None = None
    share: float = 0.0


def step_of(line: str) -> Step | None:
    """The step that a line tells of; None for any other line."""
    line = line.strip()
    if len(line) > LONGEST:
        return None
    if (counted := COUNTED.fullmatch(line)) is not None:
        doing, done, whole = counted["doing"], int(counted["done"]), int(counted["whole"])
        share = min(done / max(whole, 1), 1.0)
        if (several := OF_SEVERAL.match(doing)) is None:
            return Step(doing, doing, (done, whole), share)
        number, count = int(several["number"]), max(int(several["count"]), 1)
        return Step(several["phase"], doing, (done, whole), min((number - 1 + share) / count, 1.0))
    begun = BEGUN.fullmatch(line)
    return None if begun is None else Step(begun["doing"], begun["doing"])


def note_phase(folder: Path, step: Step) -> None:
    """Keep when a phase began, whole or not at all: the dashboard reads it meanwhile."""
    written = folder / "phase.tmp"
    written.write_text(json.dumps({"phase": step.phase, "begun": time.time(), "share": step.share}))
    written.replace(folder / "phase")


def run(folder: Path, command: list[str]) -> int:
    """Run the command to its end, and keep what it prints."""
    phase = None
    with (
        (folder / "log").open("ab", buffering=0) as log,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            step = step_of(line.decode(errors="replace"))
            if step is not None and step.phase != phase:
                phase = step.phase
                note_phase(folder, step)
    return process.returncode


def main() -> None:
    """Run a job, and keep how it ended."""
    folder, *command = sys.argv[1:]
    status = run(Path(folder), command)
    written = Path(folder) / "exit.tmp"
    written.write_text(str(status))
    os.replace(written, Path(folder) / "exit")


if __name__ == "__main__":
    main()
