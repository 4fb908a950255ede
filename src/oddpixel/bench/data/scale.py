"""`oddpixel bench scale`: what a million and a billion images take, by what one takes here; and what gives way first.

Measured: CPU seconds of a score at three sizes, bytes of a row, a thumbnail and a map on the disk, and, over a run of made-up
rows, time and memory of a row where a run is decided and where the dashboard holds its table. All else is multiplied.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.ndimage import zoom

from oddpixel.bench import Report
from oddpixel.bench.service.service import NORMALS, texture
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.runs.heat_map import MAPS_UP_TO, write_evidence
from oddpixel.forensics.runs.order import Order
from oddpixel.forensics.runs.run import Run
from oddpixel.image import Image

from .store import written

ROWS, COUNTS, TRIED = 200_000, (10**6, 10**9), 5
SIDES = (256, 512, 2048)
# Memory is the system's: a process of its own says how much it came to hold.
HOLDING = """
import re, sys, time
from pathlib import Path
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import RunTable
held = lambda: int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024
run = Run.open(Path(sys.argv[1]))
before, begun = held(), time.process_time()
table = RunTable(run)
kept = table.rows() if sys.argv[2] == "rows" else len(table)
print(time.process_time() - begun, held() - before)
"""


def run(rows: int = ROWS, seed: int = 0) -> Report:
    """Measure one, multiply."""
    random = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        seconds, thumbnail, heat = _scored(place, random)
        table = written(place / "run", rows, 4096, seed)["megabytes"] * 1e6 / rows
        decided, deciding = _held(place / "run", "rows", rows)
        _, shown = _held(place / "run", "table", rows)
    units = [
        *({"what": f"score, {side} x {side}", "one": value, "unit": "CPU s"} for side, value in seconds.items()),
        {"what": "row on the disk", "one": table, "unit": "bytes"},
        {"what": "thumbnail", "one": thumbnail, "unit": "bytes"},
        {"what": "map and its picture", "one": heat, "unit": "bytes"},
        {"what": "row while a run is decided", "one": deciding, "unit": "bytes of memory"},
        {"what": "row while a run is decided", "one": 1e6 * decided, "unit": "CPU microseconds"},
        {"what": "row in the dashboard", "one": shown, "unit": "bytes of memory"},
    ]
    projected = [
        {
            "images": count,
            "CPU h at 512 x 512": count * seconds[512] / 3600,
            "h on 64 cores": count * seconds[512] / 3600 / 64,
            "table, GB": count * table / 1e9,
            "thumbnails, GB": count * thumbnail / 1e9,
            f"maps of the {MAPS_UP_TO:.0%} rarest, GB": count * heat * MAPS_UP_TO / 1e9,
            "memory to decide, GB": count * deciding / 1e9,
            "memory of the dashboard, GB": count * shown / 1e9,
        }
        for count in COUNTS
    ]
    return Report(tables={"one": units, "many": projected}, seed=seed)


def _scored(place: Path, random: np.random.Generator) -> tuple[dict[int, float], float, float]:
    """CPU seconds of a score by side, and bytes of a thumbnail and of a map with its picture."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        detector = Detector(chooses=False).fit([texture(random) for _ in range(NORMALS)])
        seconds = {}
        for side in SIDES:
            images = [_image(zoom(texture(random), side // 256, order=1), k) for k in range(TRIED)]
            detector.judge(images[0])
            begun = time.process_time()
            judged = [detector.judge(image) for image in images]
            seconds[side] = (time.process_time() - begun) / TRIED
    finally:
        torch.set_num_threads(threads)
    made = Run.begin(place / "files", Order(kind="flag", items=[image.source for image in images]))
    for image, each in zip(images, judged, strict=True):
        made.write_thumbnail(image)
        write_evidence(made, image, each.heat, each.size)
    sizes = {part: _bytes(made.path / part) / TRIED for part in ("thumbnails", "maps")}
    return seconds, sizes["thumbnails"], sizes["maps"]


def _image(pixels: np.ndarray, number: int) -> Image:
    name = f"{number}.png"
    return Image((pixels[None] / 255).astype(np.float32), 8, "display", None, name, f"{number:064x}", name)


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _held(path: Path, what: str, rows: int) -> tuple[float, float]:
    """CPU seconds and bytes of memory a row."""
    command = [sys.executable, "-c", HOLDING, str(path), what]
    told: Any = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ).stdout.split()
    return float(told[0]) / rows, float(told[1]) / rows
