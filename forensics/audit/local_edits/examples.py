"""Regions to learn from: those that lie on an edit, and those of authentic crops, the most misleading ones first.

What a network takes for edits in authentic crops (skies, lettering, what is out of focus) is rare among regions drawn at
random, and is all that its false alarms are made of. So in later rounds the network of the round before chooses them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from .composites import Composite, composite
from .histories import Pixels
from .network import RegionNetwork
from .regions import regions_in
from .traces import PLACE

ON_EDIT = 3  # regions a composite, at most
LEAST_OVERLAP = 0.35  # intersection over union with the edit
MISLEADING, DRAWN = 12, 8  # regions an authentic crop
ELLIPSE = np.pi / 4  # of its box


@dataclass(frozen=True, eq=False)
class Examples:
    """Descriptions of regions (in half precision where many are kept), and whether each lies on an edit."""

    descriptions: Float[np.ndarray, "n d"]
    is_edited: Float32[np.ndarray, "n"]


def examples(
    photographs: Sequence[Pixels], numbers: Sequence[int], side: int, seed: int, miner: RegionNetwork | None
) -> Examples:
    """Regions of composites of photographs, each drawn from the seed and its number."""
    rows, labels = [], []
    for number in numbers:
        random = np.random.default_rng((seed, number))
        made = composite(photographs, side, random)
        descriptions, boxes = regions_in(made.pixels)
        chosen = _on_edit(made, boxes) if made.region.any() else _misleading(descriptions, miner, random)
        rows.append(descriptions[torch.from_numpy(chosen)].numpy())
        labels += [float(made.region.any())] * len(chosen)
    return Examples(np.concatenate(rows), np.array(labels, np.float32))


def _on_edit(made: Composite, boxes: Int[np.ndarray, "n 4"]) -> Int[np.ndarray, "k"]:
    """The regions that cover most of the edit and little else."""
    size = tuple(length // PLACE for length in made.region.shape[::-1])
    share = cv2.resize(made.region.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    table = np.pad(share.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    top, left, bottom, right = boxes.T
    under = table[bottom, right] - table[top, right] - table[bottom, left] + table[top, left]
    area = (bottom - top) * (right - left) * ELLIPSE
    shared = np.minimum(under, area)
    overlap = shared / (area + share.sum() - shared)
    best = np.argsort(-overlap)[:ON_EDIT]
    chosen: Int[np.ndarray, "k"] = best[overlap[best] > LEAST_OVERLAP]
    return chosen


def _misleading(
    descriptions: Float[Tensor, "n d"], miner: RegionNetwork | None, random: np.random.Generator
) -> Int[np.ndarray, "k"]:
    drawn = random.choice(len(descriptions), DRAWN, replace=False)
    if miner is None:
        return np.concatenate([drawn, random.choice(len(descriptions), MISLEADING, replace=False)])
    with torch.inference_mode():
        odds = miner(descriptions).numpy()
    return np.concatenate([drawn, np.argsort(-odds)[:MISLEADING]])
