"""`python -m tests.peers FOLDER`: what it takes to a first result with others' packages and with ours (benchmarks/peers.json).

For each, in an environment of its own outside of the clone: seconds and bytes of the installation from the package index, seconds
of the import, and seconds from a folder of normal images and one of incoming ones to a decision about each, without network (a
host name that leads nowhere stands for the hub). FOLDER keeps the environments, so that a second run only measures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from oddpixel.bench import machine, write_page
from oddpixel.commands.demonstration import demonstrate
from tests.conftest import ROOT

PACKAGES = {
    "OddPixel": ("oddpixel", [str(ROOT)]),
    "anomalib": ("anomalib", ["anomalib"]),
    "PyOD": ("pyod", ["pyod", "pillow"]),
    "FiftyOne": ("fiftyone", ["fiftyone"]),
}
OFFLINE = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1", "FIFTYONE_DO_NOT_TRACK": "1"}
IMPORTS = {"oddpixel": "oddpixel", "anomalib": "anomalib.models", "pyod": "pyod.models.knn", "fiftyone": "fiftyone"}


def main(place: Path) -> None:
    begun = time.monotonic()
    demo = place / "demo"
    if not (demo / "run").exists():
        demonstrate(demo)
    rows = [_measured(place, demo, label, *about) for label, about in PACKAGES.items()]
    versions = {name: version(name) for name in ("oddpixel", "torch", "numpy", "pillow", "pydicom")}
    spent = time.monotonic() - begun
    result = {
        "benchmark": "peers", "passed": True, "seed": 0, "wall_s": spent, "cpu_s": spent, "machine": machine(),
        "versions": versions, "notes": [f"measured on {date.today()}; OpenMP and PyTorch as the index gives them"],
        "tables": {"to a first result": rows},
    }  # fmt: skip
    (ROOT / "benchmarks/peers.json").write_text(json.dumps(result, indent=2) + "\n")
    write_page(ROOT / "benchmarks")


def _measured(place: Path, demo: Path, label: str, name: str, packages: list[str]) -> dict[str, Any]:
    python = place / name / "bin/python"
    kept = place / f"{name}.json"
    if not kept.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place / name)], check=True)
        begun = time.monotonic()
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--no-cache-dir", *packages], check=True)
        kept.write_text(json.dumps({"install, s": time.monotonic() - begun}))
    installed = json.loads(kept.read_text())
    size = sum(path.lstat().st_size for path in (place / name).rglob("*") if path.is_file())
    version = f"import importlib.metadata as m; print(m.version('{name}'))"
    row = {
        "package": label,
        "version": subprocess.run([str(python), "-c", version], capture_output=True, text=True).stdout.strip(),
        **installed,
        "installed, MB": size / 1e6,
        "import, s": _timed([str(python), "-c", f"import {IMPORTS[name]}"])[0],
    }
    script = Path(__file__).with_name(f"first_{name}.py")
    if not script.exists():
        return row | {"first result, s": None, "lines": None, "offline": None}
    arguments = [str(demo / "normals"), str(demo / "incoming")]
    arguments += [] if name == "pyod" else [str(place / f"{name}-made-{time.time_ns()}")]
    seconds, code = _timed([str(python), str(script), *arguments, *(["pretrained"] if name == "anomalib" else [])])
    is_offline = code == 0
    if not is_offline:
        seconds, code = _timed([str(python), str(script), *arguments, "random"])
        assert code == 0
    return row | {"first result, s": seconds, "lines": _lines(script), "offline": is_offline}


def _timed(command: list[str]) -> tuple[float, int]:
    begun = time.monotonic()
    run = subprocess.run(command, env=os.environ | OFFLINE, capture_output=True, check=False)
    return time.monotonic() - begun, run.returncode


def _lines(script: Path) -> int:
    """Lines of code, without blank ones and the docstring."""
    return sum(bool(line.strip()) and not line.startswith('"""') for line in script.read_text().splitlines())


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
