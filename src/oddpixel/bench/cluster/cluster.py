"""`oddpixel bench cluster`: the same run by one process, a pool, ranks and Dask, and by Dask while a worker is killed.

1,000 textures of 256 x 256 against a detector of 40, by the command that users give, start of processes included; one thread a
process. A cluster that runs already has scored something before. The efficiency is that of the processors: seconds of one process
over seconds times cores.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from oddpixel.bench import Report
from oddpixel.bench.service.service import NORMALS, texture
from oddpixel.errors import UsageError
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.store import save
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import RunTable

IMAGES, FEW, FIRST_KILL = 1000, 256, 20.0  # seconds, by when the workers are at it
WAYS: dict[str, list[list[str]]] = {
    "one process": [[]],
    "pool of 2": [["--workers", "2"]],
    "2 ranks": [["--rank", "0", "--world", "2"], ["--rank", "1", "--world", "2"]],
    "Dask, 2 workers": [["--dask", "local", "--workers", "2"]],
    "Dask, 4 workers": [["--dask", "local", "--workers", "4"]],
}


def run(images: int = IMAGES, seed: int = 0) -> Report:
    """Time each way, and compare its rows with those of one process. Raises: UsageError without Dask."""
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise UsageError("this benchmark needs Dask: pip install 'oddpixel[dask]'") from error
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        _make(place, images, seed)
        cores = len(os.sched_getaffinity(0))
        rows: list[dict[str, Any]] = []
        expected = None
        for way, commands in WAYS.items():
            spent = _flagged(place, place / way.replace(" ", "-"), commands)
            found = _rows(place / way.replace(" ", "-"))
            expected = expected or found
            rows.append({"by": way, "s": spent, "rows": len(found), "same rows": found == expected})
        once = rows[0]["s"]
        for row in rows:
            row["efficiency"] = once / (row["s"] * (1 if row["by"] == "one process" else cores))
        rows.append(_warm(place, images, expected) | {"efficiency": 0.0})
        rows[-1]["efficiency"] = once / (rows[-1]["s"] * cores)
        spent = _flagged(place, place / "killed", WAYS["Dask, 4 workers"], kills=True)
        found = _rows(place / "killed")
        killed = {"by": "Dask, 4 workers, one killed", "s": spent, "rows": len(found), "same rows": found == expected}
        rows.append(killed | {"efficiency": once / (spent * cores)})
    return Report(
        tables={f"{images} images of 256 x 256": rows},
        passed=all(row["same rows"] and row["rows"] == images for row in rows),
        seed=seed,
    )


def _warm(place: Path, images: int, expected: Any) -> dict[str, Any]:
    """By four workers that run already."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=None) as cluster:
        command = ["--dask", cluster.scheduler_address]
        _flagged(place, place / "before", [command], images="few")
        spent = _flagged(place, place / "warm", [command])
    found = _rows(place / "warm")
    return {"by": "Dask, 4 workers that run already", "s": spent, "rows": len(found), "same rows": found == expected}


def _make(place: Path, images: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    normals = [texture(random) for _ in range(NORMALS)]
    save(Detector(chooses=False).fit(normals), place / "detector")
    (place / "incoming").mkdir()
    for k in range(images):
        Pillow.fromarray(texture(random)).save(place / f"incoming/{k:05d}.png")
    (place / "few").mkdir()
    for k in range(FEW):
        Pillow.fromarray(texture(random)).save(place / f"few/{k:05d}.png")


def _flagged(
    place: Path, out: Path, commands: list[list[str]], *, images: str = "incoming", kills: bool = False
) -> float:
    """Seconds until the run is finished."""
    flag = [sys.executable, "-m", "oddpixel", "flag", str(place / images), "--detector", str(place / "detector")]
    begun = time.perf_counter()
    started = [
        subprocess.Popen(
            [*flag, "-o", str(out), *command], env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]  # fmt: skip
    if kills:
        time.sleep(FIRST_KILL)
        os.kill(_worker_of(started[0].pid), signal.SIGKILL)
    codes = [process.wait() for process in started]
    if any(codes):
        raise RuntimeError(f"oddpixel flag ended with {codes}")
    return time.perf_counter() - begun


def _worker_of(parent: int) -> int:
    """A process below the command that holds PyTorch: the largest of its descendants."""
    below = {parent}
    for _ in range(3):
        below |= {int(each) for pid in tuple(below) for each in _children(pid)}
    return max(below - {parent}, key=_memory)


def _children(pid: int) -> list[str]:
    return [each for path in Path(f"/proc/{pid}/task").glob("*/children") for each in path.read_text().split()]


def _memory(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0


def _rows(path: Path) -> dict[str, tuple[float | None, bool | None]]:
    """Score and decision of each item; those on which ways may differ by nothing at all."""
    return {row.item: (row.raw, row.flagged) for row in RunTable(Run.open(path)).rows()}
