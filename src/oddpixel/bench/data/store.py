"""A million score rows: how large, and how long a page, a filter, a histogram and a verdict take (`oddpixel bench store`).

The rows are made up (a stratified mixture of scores), their writing and reading is that of a real run. Times are the
median of several calls with the files in the system's cache.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from oddpixel.bench import Report
from oddpixel.forensics.runs.order import Order
from oddpixel.forensics.runs.rows import Reason, Row
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import Filter, RunTable
from oddpixel.forensics.runs.verdicts import Verdicts


def run(rows: int = 1_000_000, shard_size: int = 4096, verdicts: int = 500, seed: int = 0) -> Report:
    """Write a synthetic run, and time its pages, filters, histograms and decisions."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        writing = written(path, rows, shard_size, seed)
        table = RunTable(Run.open(path))
        odd = [Filter("p_value", "<", 0.01), Filter("stratum", "=", "CT")]
        reading = [
            _timed("loading everything", lambda: len(RunTable(Run.open(path))), repeats=1),
            _timed("rows", lambda: len(table)),
            _timed("first page of 200 by score", lambda: table.page(order_by="raw", descending=True, limit=200)),
            _timed("fifth page of 200", lambda: table.page(order_by="raw", descending=True, limit=200, offset=800)),
            _timed("page in the order of the inputs", lambda: table.page(limit=200, offset=500_000)),
            _timed("filter by p and stratum, page of 200", lambda: table.page(odd, order_by="p_value", limit=200)),
            _timed("count of the same filter", lambda: table.count(odd)),
            _timed("one item by name", lambda: table.page([Filter("item", "=", "scan-0500000.png")])),
            _timed("histogram of scores, 40 bins", lambda: table.histogram("raw", 40)),
        ]
        deciding = [_decide(path, verdicts)]
    return Report(tables={"writing": [writing], "reading": reading, "deciding": deciding}, seed=seed)


def written(path: Path, rows: int, shard_size: int, seed: int) -> dict[str, Any]:
    """Write a run of made-up rows; how large it is, and how long that took."""
    random = np.random.default_rng(seed)
    names = [f"scan-{k:07}.png" for k in range(rows)]
    made = Run.begin(path, Order(kind="flag", options={"rows": rows}, items=names, shard_size=shard_size))
    started, used = time.perf_counter(), time.process_time()
    with made.writing_alone():
        for shard in made.missing_shards():
            part = names[shard * shard_size : (shard + 1) * shard_size]
            p_values = random.random(len(part))
            strata = random.choice(["CT", "MR", "photo"], len(part))
            made.write_part(shard, [_made_up(*facts) for facts in zip(part, p_values, strata, strict=True)])
        made.finish()
    size = sum(file.stat().st_size for file in path.rglob("*.parquet"))
    return {
        "rows": rows,
        "parts": len(made.parts()),
        "megabytes": round(size / 1e6, 1),
        "wall_s": round(time.perf_counter() - started, 1),
        "cpu_s": round(time.process_time() - used, 1),
    }


def _made_up(name: str, p_value: float, stratum: str) -> Row:
    return Row(
        item=name,
        sha256=hashlib.sha256(name.encode()).hexdigest(),
        group=name[:9],
        stratum=str(stratum),
        raw=-float(np.log(p_value)),
        p_value=float(p_value),
        q_value=float(min(1.0, 20 * p_value)),
        flagged=bool(p_value < 0.01),
        reasons=(Reason("texture", float(p_value), "finer than usual"),),
        thumbnail=f"thumbnails/{name}.webp",
        width=512,
        height=512,
    )


def _timed(what: str, call: Callable[[], Any], repeats: int = 5) -> dict[str, Any]:
    walls, cpus = [], []
    for _ in range(repeats):
        started, used = time.perf_counter(), time.process_time()
        call()
        walls.append(time.perf_counter() - started)
        cpus.append(time.process_time() - used)
    return {"question": what, "wall_ms": round(1e3 * median(walls), 1), "cpu_ms": round(1e3 * median(cpus), 1)}


def _decide(path: Path, number: int) -> dict[str, Any]:
    walls = []
    with Verdicts(Run.open(path).verdicts_path) as verdicts:
        for k in range(number):
            started = time.perf_counter()
            verdicts.record("run", f"scan-{k:07}.png", "odd", author="bench")
            walls.append(time.perf_counter() - started)
        started = time.perf_counter()
        chain = verdicts.verify()
        checked = time.perf_counter() - started
    return {
        "store": "sqlite",
        "verdicts": number,
        "commit_ms": round(1e3 * median(walls), 2),
        "commit_95th_ms": round(1e3 * float(np.percentile(walls, 95)), 2),
        "chain_ok": chain.ok,
        "verify_ms": round(1e3 * checked, 1),
    }
