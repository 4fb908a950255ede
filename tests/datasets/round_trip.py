"""Write, read, compare: the sentence that says what is wrong, or None. The property test and the planted faults share it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from oddpixel import Image, open_source
from tests.datasets.pictures import Case, draw, expected
from tests.datasets.writers import Writer

ROUNDING = 0.51  # of a step
# Little CMS keeps curves in 16 bits and rounds between its stages.
PROFILED = {8: 1.6 / 255, 10: 1.5 / 1023, 12: 2 / 4095, 16: 60 / 65535}


def fault(writer: Writer, case: Case, folder: Path) -> str | None:
    """What is read wrongly of this case."""
    values = draw(case)
    path = folder / f"x{writer.suffix}"
    path.write_bytes(writer.write(case, values))
    image = next(iter(open_source(path, sandboxed=False)))
    if not isinstance(image, Image):
        return f"{writer.name}, {case}: {image.error}"
    pixels, valid = expected(case, values)
    problem = _difference(image, case, pixels, valid, _tolerance(writer, case))
    return None if problem is None else f"{writer.name}, {case}: {problem}"


def _difference(image: Image, case: Case, pixels: np.ndarray, valid: np.ndarray | None, tolerance: float) -> str | None:
    if (image.unit, image.bits) != (case.depth.unit, case.depth.bits):
        return f"read as {image.bits} bits in unit {image.unit}"
    # Palettes and some codecs have no grey: three equal colours then.
    if image.pixels.shape not in (pixels.shape, (3, *pixels.shape[1:])):
        return f"read as {image.pixels.shape}, not {pixels.shape}"
    if (image.valid is None) != (valid is None) or (valid is not None and not np.array_equal(image.valid, valid)):
        return "not masked where nothing was recorded"
    difference = np.abs(image.pixels - pixels)
    largest = float((difference if valid is None else difference[:, valid]).max())
    return f"off by {largest:g}, over {tolerance:g}" if largest > tolerance else None


def _tolerance(writer: Writer, case: Case) -> float:
    """The format's own loss, and the rounding to its steps after colours were mixed."""
    if case.depth.unit == "modality":
        return 1e-6 * max(abs(case.depth.lowest), abs(case.depth.highest))
    step = ROUNDING / case.depth.highest
    # Of a premultiplied picture the darkest alpha makes a step of it four.
    mixed = 4 * step if case.alpha == "premultiplied" else step
    profiled = (
        0.0 if case.profile == "none" else PROFILED[case.depth.bits] * (5 if case.alpha == "premultiplied" else 1)
    )
    # A curve that leaves black steeply stretches loss and steps there.
    steep = 8 * writer.tolerance if case.profile != "none" else writer.tolerance
    return mixed + profiled + steep
