"""What an audit costs: each check on a photograph of 12 megapixels, and the whole command in a process of its own, twice."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from oddpixel.datasets.corpora import cached
from oddpixel.forensics.audit.checks import checks
from oddpixel.forensics.audit.exhibit import exhibit_of
from oddpixel.forensics.audit.judge import examine

MEGAPIXELS = 12
# The command, and at its end the most memory that it had (VmHWM: of this process, not of its parent).
PROGRAM = """
import sys
from oddpixel.commands import main
sys.argv = ["oddpixel", *sys.argv[1:]]
try:
    main()
finally:
    print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)
"""


def cost() -> list[dict[str, Any]]:
    """CPU seconds per check and per megapixel, and time and memory of the whole command."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photograph.jpg"
        _photograph().save(path, "JPEG", quality=92)
        exhibit = exhibit_of(path.read_bytes())
        megapixels = exhibit.size[0] * exhibit.size[1] / 1e6
        rows = []
        began = time.process_time()
        _ = exhibit.gate
        rows.append(_row("gate, with the votes of jpeg-grid", time.process_time() - began, None, megapixels))
        for check in checks().values():
            began, wall = time.process_time(), time.perf_counter()
            examine(exhibit, [check])
            rows.append(_row(check.name, time.process_time() - began, time.perf_counter() - wall, megapixels))
        reports = []
        for number in (1, 2):
            out = Path(folder) / f"out-{number}"
            used, wall = os.times(), time.perf_counter()
            command = [sys.executable, "-c", PROGRAM, "audit", str(path), "-o", str(out), "--pdf"]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            now = os.times()
            cpu = now.children_user + now.children_system - used.children_user - used.children_system
            memory = int(done.stderr.split("VmHWM:")[1].split()[0]) / 2**20
            content = next(out.glob("reports/*/report.json")).read_bytes()
            reports.append(hashlib.sha256(content).hexdigest())
            row = _row(f"the command, run {number}, with PDF", cpu, time.perf_counter() - wall, megapixels)
            rows.append(row | {"GiB": round(memory, 2), "report.json": reports[-1][:16]})
    assert reports[0] == reports[1], "two runs gave two reports"
    return rows


def _photograph() -> Pillow.Image:
    """The largest test photograph, cut to 4000 x 3000."""
    path = next(file.path for file in cached("photographs-share-alike").files() if file.role == "test")
    picture = Pillow.open(path).convert("RGB")
    return picture.crop((0, 0, 4000, 3000))


def _row(what: str, cpu: float, wall: float | None, megapixels: float) -> dict[str, Any]:
    return {"what": what, "MP": megapixels, "cpu s": cpu, "wall s": wall, "cpu s/MP": cpu / megapixels}
