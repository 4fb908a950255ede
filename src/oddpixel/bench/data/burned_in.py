"""Text in pixels (`oddpixel bench burned_in`): how many lines of text are found on real slices, and how often there is none.

Slices come from corpora that nobody burned text into, evenly out of each volume. A line (a name and a date, in one of four of
OpenCV's fonts, as bright as the slice's brightest value or as dark as its darkest) lies at a random place. Found is a line of
which at least nine tenths of the ink are inside boxes, and masked are no letters then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from scipy.stats import binomtest

from oddpixel.bench import Report
from oddpixel.datasets.corpora import fetch
from oddpixel.datasets.deidentify.burned_in import found_in
from oddpixel.datasets.source import open_source
from oddpixel.errors import MissingFile, UsageError

CORPORA = ("ct-series", "ct-volumes", "head-ct", "mr-volume")
HEIGHTS = (6, 8, 10, 14, 20)  # pixels of a capital letter
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX)
TEXTS = ("QUACKENBUSH ZOLTAN 1959-03-04", "Doe, Jane  F  067Y", "ID 4711-88 / St. Elsewhere")
COVERED = 0.9


def run(slices: int = 12, seed: int = 0) -> Report:
    """Lines found by their height, false alarms, and CPU seconds a slice.

    Arguments:
        slices: of each corpus.
    """
    generator = np.random.default_rng(seed)
    pictures = list(_slices(slices))
    if not pictures:
        raise UsageError(f"none of {', '.join(CORPORA)} is here: oddpixel data fetch NAME")
    used = time.process_time()
    alarms = sum(bool(found_in(picture)) for picture in pictures)
    seconds = (time.process_time() - used) / len(pictures)
    rows: list[dict[str, Any]] = []
    for height in HEIGHTS:
        hits = [_is_found(picture, height, generator) for picture in pictures]
        rows.append(_rate({"height px": height}, sum(hits), len(hits)))
    tables = {
        "lines of text found": rows,
        "slices without text that were masked": [_rate({"CPU s a slice": round(seconds, 2)}, alarms, len(pictures))],
    }
    return Report(tables=tables, seed=seed)


def _slices(count: int) -> Iterator[np.ndarray]:
    for name in CORPORA:
        try:
            source = open_source(f"corpus:{name}", num_workers=1, every=8)
            fetch(name)
        except (MissingFile, UsageError):
            continue
        images = [np.asarray(image.pixels[0]) for image in source if hasattr(image, "pixels")]
        yield from (images[k] for k in np.linspace(0, len(images) - 1, min(count, len(images))).astype(int))


def _is_found(picture: np.ndarray, height: int, generator: np.random.Generator) -> bool:
    ink = _ink(picture.shape, height, generator)
    value = picture.max() if generator.random() < 0.75 else picture.min()
    written = np.where(ink, value, picture)
    covered = np.zeros(picture.shape, bool)
    for top, bottom, left, right in found_in(written):
        covered[top:bottom, left:right] = True
    changed = ink & (written != picture)
    return not changed.any() or bool(covered[changed].mean() >= COVERED)


def _ink(shape: tuple[int, ...], height: int, generator: np.random.Generator) -> np.ndarray:
    """Where a line of text of that height is."""
    text, font = TEXTS[generator.integers(len(TEXTS))], FONTS[generator.integers(len(FONTS))]
    scale = float(cv2.getFontScaleFromHeight(font, height, 1))
    while (width := cv2.getTextSize(text, font, scale, 1)[0][0]) > shape[1] - 4 and len(text) > 4:
        text = text[:-1]
    left = int(generator.integers(2, max(shape[1] - width - 2, 3)))
    bottom = int(generator.integers(height + 2, shape[0] - 4))
    ink = np.zeros(shape, np.uint8)
    cv2.putText(ink, text, (left, bottom), font, scale, 255, 1, cv2.LINE_8)
    return ink > 0


def _rate(first: dict[str, Any], count: int, of: int) -> dict[str, Any]:
    exact = binomtest(count, of).proportion_ci(0.95, method="exact")
    return first | {"of": of, "rate": round(count / of, 3), "low": round(exact.low, 3), "high": round(exact.high, 3)}
