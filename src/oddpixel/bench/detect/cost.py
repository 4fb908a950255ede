"""What flagging costs, end to end from files, and where the time goes; PatchCore with the same encoder in the same run."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from oddpixel.datasets.source import open_source
from oddpixel.forensics.density.store import load_pyramid
from oddpixel.forensics.detect import store
from oddpixel.forensics.detect.decide import Rule
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.encoders import encoder_named
from oddpixel.forensics.detect.flag import Incoming, flag_into
from oddpixel.forensics.detect.observation import Observer
from oddpixel.forensics.detect.prepare import Preparation
from oddpixel.image import Image

from .pairs import ENCODER, patchcore_bank, patchcore_heat

SIDE = 512
FITTED, FLAGGED = 40, 24


def cost(model: str, seed: int) -> dict[str, list[dict[str, Any]]]:
    """Time fitting and flagging from files, without and with the encoder, and PatchCore beside them."""
    with tempfile.TemporaryDirectory() as folder:
        normals, incoming = _files(Path(folder))
        rows = [
            _ours(model, None, normals, incoming, Path(folder), seed),
            _ours(model, ENCODER, normals, incoming, Path(folder), seed),
            _patchcore(model, normals, incoming, seed),
        ]
    return {f"cost on files of {SIDE} pixels": rows}


def _files(folder: Path) -> tuple[Path, Path]:
    """Photographs as PNG files."""
    from PIL import Image as Pillow

    prepare = Preparation(unit="display", side=SIDE)
    places = (folder / "normals", folder / "incoming")
    for place in places:
        place.mkdir()
    written = 0
    for corpus in ("interiors", "monuments", "animals"):
        for image in open_source(f"corpus:{corpus}/train"):
            if isinstance(image, Image) and written < FITTED + FLAGGED:
                place = places[int(written >= FITTED)]
                Pillow.fromarray(prepare(image).to_display()).save(place / f"{written:03d}.png")
                written += 1
    return places


def _ours(model: str, encoder: str | None, normals: Path, incoming: Path, folder: Path, seed: int) -> dict[str, Any]:
    detector = Detector(model=model, encoder=encoder, side=SIDE, seed=seed)
    fit_wall, fit_cpu = _timed(lambda: detector.fit(open_source(normals)))
    saved = store.save(detector, folder / f"detector-{encoder}")
    in_model = 0.0
    original = Observer.__call__

    def counted(self: Observer, image: Image) -> Any:
        nonlocal in_model
        started = time.process_time()
        observation = original(self, image)
        in_model += time.process_time() - started
        return observation

    Observer.__call__ = counted  # type: ignore[method-assign]
    try:
        places = Incoming(places=(str(incoming),))
        out = folder / f"run-{encoder}"
        wall, cpu = _timed(lambda: flag_into(out, places, saved, Rule(alpha=0.05)))
    finally:
        Observer.__call__ = original  # type: ignore[method-assign]
    return _row(f"ours, {'with' if encoder else 'without'} encoder", incoming, fit_wall, fit_cpu, wall, cpu, in_model)


def _patchcore(model: str, normals: Path, incoming: Path, seed: int) -> dict[str, Any]:
    """Encoder and bank alone: no likelihood, no calibration, no thumbnails, no table."""
    observe = Observer(load_pyramid(model), encoder_named(ENCODER))
    prepare = Preparation(unit="display", side=SIDE)

    def encoded(place: Path) -> list[np.ndarray]:
        return [observe.encode(prepare(image)) for image in open_source(place)]

    bank = np.zeros(0)

    def fit() -> None:
        nonlocal bank
        bank = patchcore_bank(encoded(normals), seed)

    fit_wall, fit_cpu = _timed(fit)
    wall, cpu = _timed(lambda: [patchcore_heat(patches, bank) for patches in encoded(incoming)])
    return _row("PatchCore", incoming, fit_wall, fit_cpu, wall, cpu, None)


def _row(
    method: str, incoming: Path, fit_wall: float, fit_cpu: float, wall: float, cpu: float, in_model: float | None
) -> dict[str, Any]:
    pixels = sum(image.pixels[0].size for image in open_source(incoming) if isinstance(image, Image))
    count = len(list(incoming.iterdir()))
    return {
        "method": method,
        "fit, wall s": fit_wall,
        "fit, cpu s": fit_cpu,
        "images fitted": FITTED,
        "images/s": count / wall,
        "MP/s": pixels / 1e6 / wall,
        "cpu s an image": cpu / count,
        "share in the networks": None if in_model is None else in_model / cpu,
        "peak MiB of the process so far": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _timed(work: Callable[[], Any]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu
