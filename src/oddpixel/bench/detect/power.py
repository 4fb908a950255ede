"""Is what `fit` says of its power true? Detectors fitted to one part of a set say what share of each kind and strength they flag;
the same kinds, at sizes that the choice and the statement never saw, are planted into pictures of another part."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from oddpixel.bench.intervals import interval
from oddpixel.datasets.planting import plant
from oddpixel.datasets.source import open_source
from oddpixel.errors import OddPixelError
from oddpixel.forensics.detect.choice import KINDS
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.guarantee import guarantee
from oddpixel.forensics.detect.power import STRENGTHS
from oddpixel.image import Image
from oddpixel.proportion import exact_interval

from .kinds import grey_of
from .planted import SETS, as_image, pictures

SIZES = (0.85, 1.2)  # neither the choice's nor the statement's
ALPHA = 0.1
TILE, HELD_OUT = 64, 12


def power(model: str, seed: int) -> dict[str, list[dict[str, Any]]]:
    """Predicted and observed shares by set, kind and strength, and how many of the predicted intervals hold."""
    cells: list[dict[str, Any]] = []
    for name, normals, held in _sets(seed):
        detector = Detector(model=model, alpha=ALPHA, seed=seed).fit(normals)
        promised = guarantee(detector.calibrated_.num_groups, ALPHA)
        predicted = {(each.kind, each.strength): each for each in detector.power(promised)}
        threshold = detector.calibrated_.threshold(promised)
        for kind in KINDS:
            print(f"power: {name}, {kind}", file=sys.stderr, flush=True)
            for strength in STRENGTHS:
                hits = []
                for index, image in enumerate(held):
                    try:
                        odd = plant(
                            kind, image, strength=strength, size=SIZES[index % 2], seed=7000 + 100 * seed + index,
                            donor=held[(index + 1) % len(held)],
                        )  # fmt: skip
                    except OddPixelError:
                        continue
                    hits.append(detector.judge(odd.image).raw > threshold)
                if hits and (kind, strength) in predicted:
                    cells.append(_cell(name, hits, predicted[kind, strength]))
    held_up = np.array([cell["overlap"] for cell in cells])
    inside = np.array([cell["inside"] for cell in cells])
    low, high = interval(lambda drawn: float(held_up[drawn].mean()), len(cells), seed)
    summary = {
        "cells": len(cells), "observed share inside the predicted interval": float(inside.mean()),
        "intervals overlap": float(held_up.mean()), "low": low, "high": high,
        "mean predicted": float(np.mean([cell["predicted"] for cell in cells])),
        "mean observed": float(np.mean([cell["observed"] for cell in cells])),
    }  # fmt: skip
    return {"power: predicted and observed": [summary], "power: cells": cells}


def _sets(seed: int) -> Iterator[tuple[str, list[Image], list[Image]]]:
    """Name, normals to fit to, and others to plant into: tiles of textures side by side, and the fixed camera by blocks."""
    for image in open_source("corpus:textures/test"):
        assert isinstance(image, Image)
        grey = grey_of(image)
        corners = [(row, column) for row in range(0, 512, TILE) for column in range(0, 512, TILE)]
        if grey.shape != (512, 512):
            continue
        tiles = [as_image(grey[y : y + TILE, x : x + TILE], f"{image.source}/{y}-{x}", f"{y}-{x}") for y, x in corners]
        drawn = [tiles[index] for index in np.random.default_rng(seed).permutation(len(tiles))]
        yield image.source, drawn[HELD_OUT:], drawn[:HELD_OUT]
    camera = next(each for each in SETS if each.name == "fixed camera")
    learning, deciding, held = pictures(camera)
    yield camera.name, [*learning, *deciding], held


def _cell(name: str, hits: list[bool], predicted: Any) -> dict[str, Any]:
    found, count = sum(hits), len(hits)
    low, high = exact_interval(found, count)
    return {
        "set": name, "kind": predicted.kind, "strength": predicted.strength,
        "predicted": predicted.share, "predicted low": predicted.low, "predicted high": predicted.high,
        "observed": found / count, "pictures": count,
        "inside": bool(predicted.low <= found / count <= predicted.high),
        "overlap": bool(low <= predicted.high and predicted.low <= high),
    }  # fmt: skip
