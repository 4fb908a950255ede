"""How fast images are read, what the sandbox costs, and that memory stays flat (`oddpixel bench reading`).

Real photographs that installed packages ship, in several sizes and formats. Sandboxed and direct decoding alternate in
one run, one decoder each, and the ratio of their best CPU times is what counts: wall clock on a busy machine is noise.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from oddpixel.bench import Report
from oddpixel.datasets.limits import Limits
from oddpixel.datasets.sandbox import Decoder, DirectDecoder, SandboxedDecoder
from oddpixel.datasets.source import open_source

# What the sandbox may cost.
AIM_RATIO = 1.2
STREAMED = 10_000


def run(streamed: int = STREAMED, repeats: int = 5) -> Report:
    """Time direct and sandboxed decoding, and measure memory over a long stream."""
    with tempfile.TemporaryDirectory() as folder:
        speed = [_speed(Path(folder), name, side, options, repeats) for name, side, options in CASES]
        stream = _stream(Path(folder), streamed)
        first = _first_row(Path(folder))
    worst = max(row["cpu_ratio"] for row in speed)
    notes = [f"sandboxed / direct CPU time: at most {worst:.2f} (aim {AIM_RATIO})"]
    return Report(tables={"decoding": speed, "streaming": [stream], "time to first row": [first]}, notes=notes)


CASES: list[tuple[str, int, dict[str, Any]]] = [
    ("webp", 160, {"quality": 80}),
    ("png", 512, {}),
    ("jpg", 1024, {"quality": 90}),
    ("jpg", 4096, {"quality": 90}),
]


def _photo(side: int) -> Any:
    from PIL import Image as Pillow
    from sklearn.datasets import load_sample_image

    return Pillow.fromarray(load_sample_image("china.jpg")).resize((side, side * 2 // 3), Pillow.Resampling.LANCZOS)


def _speed(folder: Path, suffix: str, side: int, options: dict[str, Any], repeats: int) -> dict[str, Any]:
    """Best of several alternating runs over one folder of equal files."""
    place = folder / f"{suffix}-{side}"
    place.mkdir()
    photo = _photo(side)
    count = max(4, min(600, 60_000_000 // (photo.width * photo.height)))
    for k in range(count):
        photo.save(place / f"{k:04d}.{suffix}", **options)
    best: dict[bool, tuple[float, float]] = {}
    for _ in range(repeats):
        for sandboxed in (False, True):
            wall, cpu = _read_all(place, sandboxed)
            old = best.get(sandboxed, (wall, cpu))
            best[sandboxed] = (min(old[0], wall), min(old[1], cpu))
    megapixels = count * photo.width * photo.height / 1e6
    return {
        "format": suffix,
        "size": f"{photo.width} x {photo.height}",
        "files": count,
        "direct_mp_per_s": megapixels / best[False][0],
        "sandboxed_mp_per_s": megapixels / best[True][0],
        "wall_ratio": best[True][0] / best[False][0],
        "cpu_ratio": best[True][1] / best[False][1],
    }


def _read_all(place: Path, sandboxed: bool) -> tuple[float, float]:
    """Wall and CPU seconds (this process and the worker) for all files, once the decoder is up and warm."""
    kind = SandboxedDecoder if sandboxed else DirectDecoder
    decoder, paths = kind(Limits(), b"bench"), sorted(place.iterdir())
    try:
        _decode(decoder, paths[0])
        worker = decoder.process.pid if isinstance(decoder, SandboxedDecoder) and decoder.process else None
        started, used, used_there = time.perf_counter(), time.process_time(), _cpu_of(worker)
        for path in paths:
            _decode(decoder, path)
        wall = time.perf_counter() - started
        return wall, time.process_time() - used + _cpu_of(worker) - used_there
    finally:
        decoder.close()


def _decode(decoder: Decoder, path: Path) -> None:
    with path.open("rb") as file:
        decoder.open(file, path.name, ahead=True)
        decoder.frame(0)


def _cpu_of(process: int | None) -> float:
    """User and system seconds of another process (proc(5), fields 14 and 15)."""
    if process is None:
        return 0.0
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _stream(folder: Path, count: int) -> dict[str, Any]:
    """Peak memory of this process while many images stream through, early and late."""
    place = folder / "stream"
    place.mkdir()
    original = place / "0.jpg"
    _photo(768).save(original, quality=85)
    for k in range(1, count):
        os.link(original, place / f"{k}.jpg")
    started, total = time.perf_counter(), 0.0
    early = 0
    for k, image in enumerate(open_source(place, num_workers=2)):
        total += float(np.float64(image.pixels[0, 0, 0])) + image.pixels.shape[1] * image.pixels.shape[2] / 1e6
        if k == count // 10:
            early = _resident_bytes()
    wall = time.perf_counter() - started
    late = _resident_bytes()
    return {
        "images": count,
        "image_mib": 768 * 512 * 3 * 4 / 2**20,
        "mp_per_s": total / wall,
        "resident_mib_after_a_tenth": early / 2**20,
        "resident_mib_at_the_end": late / 2**20,
        "growth_mib": (late - early) / 2**20,
    }


def _resident_bytes() -> int:
    """Now, not the peak: growth is what matters."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _first_row(folder: Path) -> dict[str, Any]:
    """Seconds from opening a folder of all streamed images to the first one read, workers' start included."""
    started = time.perf_counter()
    source = open_source(folder / "stream")
    listed = time.perf_counter()
    images = iter(source)
    next(images)
    first = time.perf_counter()
    images.close()  # type: ignore[attr-defined]
    return {"files": len(source), "listing_s": listed - started, "first_image_s": first - started}
