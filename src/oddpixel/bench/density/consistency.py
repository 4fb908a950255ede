"""Does a model know its own errors? Actual against predicted error of its denoiser, by level and scale, over held-out normals."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from oddpixel.bench import Report
from oddpixel.forensics.density.probing import surprise
from oddpixel.forensics.density.pyramid import Pyramid
from oddpixel.forensics.density.recipe_images import validation_images
from oddpixel.forensics.density.store import load_pyramid
from oddpixel.recipe import read_recipe

LEVELS = (6.0, 4.0, 2.0, 0.0, -2.0, -4.0)
DRAWS = 8
CROPS = 12
SIDE = 96
# What is asked: of the log of the ratio where errors are large, of the bits they make where they are small.
LOG_RATIO, LARGE, BITS = 0.02, 0.05, 0.01
BUNDLED = ("photo-rgb", "photo-grey", "ct")


def run(seed: int = 0) -> Report:
    """Measure every bundled pyramid; one table each."""
    tables = {name: consistency(name, load_pyramid(name), seed) for name in BUNDLED}
    missed = {name: sum(not row["passed"] for row in rows) for name, rows in tables.items()}
    notes = [f"{name}: {count} of {len(tables[name])} cells outside the gate" for name, count in missed.items()]
    return Report(tables={f"self-consistency of {name}": rows for name, rows in tables.items()}, seed=seed, notes=notes)


def consistency(name: str, model: Pyramid, seed: int) -> list[dict[str, Any]]:
    """Log(mean actual / mean predicted error) per scale and level, with its standard error over crops."""
    x = torch.cat(list(_crops(name, model, seed)))
    generator = torch.Generator().manual_seed(seed)
    spectrum = surprise(model, x, torch.tensor(LEVELS), draws=DRAWS, generator=generator)
    rows = []
    for scale in range(spectrum.actual.shape[1] - 1):  # the coarsest image is some dozens of dimensions
        for index, level in enumerate(LEVELS):
            actual, predicted = (part[:, scale, index].double() for part in (spectrum.actual, spectrum.predicted))
            rows.append({"scale": scale, "log_snr": level, **_compared(actual, predicted)})
    return rows


def _compared(actual: Tensor, predicted: Tensor) -> dict[str, Any]:
    mean, expected = float(actual.mean()), float(predicted.mean())
    log_ratio = math.log(mean / expected) if expected > 0 else math.inf
    residual = (actual - predicted * mean / expected) / mean
    error = float(residual.std() / math.sqrt(len(actual)))
    # Half of the difference, over the distance between levels: what this level adds to the bits.
    bits = 0.5 * (mean - expected) * abs(LEVELS[0] - LEVELS[1]) / math.log(2)
    passed = abs(log_ratio) <= LOG_RATIO if mean >= LARGE else abs(bits) <= BITS
    return {
        "actual": mean,
        "predicted": expected,
        "log_ratio": log_ratio,
        "standard_error": error,
        "bits": bits,
        "passed": passed,
    }


def _crops(name: str, model: Pyramid, seed: int) -> Iterator[Tensor]:
    """Evenly chosen windows of the validation images of the model's own recipe, dequantised."""
    pictures = validation_images(read_recipe(name))
    cells = pictures.cells
    for index in np.linspace(0, len(cells) - 1, CROPS):
        values = torch.from_numpy(pictures.crop(cells[int(index)], SIDE).astype(np.float32))
        yield pictures.grey(values[None], torch.Generator().manual_seed(seed + int(index)))
