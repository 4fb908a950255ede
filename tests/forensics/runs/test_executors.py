"""Executors: processes that score shards end with the one that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.patience import until

STARTER = """
import sys
from pathlib import Path
from oddpixel.forensics.runs.executors import Pool
from tests.forensics.runs.test_executors import note_pid
list(Pool(2).run(note_pid, [Path(sys.argv[1]) / name for name in "abcd"]))
print("done", flush=True)
"""


def note_pid(path: Path) -> None:
    """Write which process did this shard, and wait for ever."""
    path.write_text(str(os.getpid()))
    signal.pause()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_end_with_a_process_that_was_killed(tmp_path: Path) -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)])
    until(
        lambda: [path.read_text() for path in tmp_path.iterdir()].count("") == 0 and len(list(tmp_path.iterdir())) == 2
    )
    workers = [int(path.read_text()) for path in tmp_path.iterdir()]
    starter.kill()
    starter.wait()
    until(lambda: not any(is_running(pid) for pid in workers), "the end of the workers")
