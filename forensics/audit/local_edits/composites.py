"""Composites: a crop with a local edit or none, saved and scaled afterwards, and the region that was edited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .edits import EDITS, Region, region_in
from .histories import Pixels, crop_of, off_grid, saved, with_history

AUTHENTIC = 0.35  # of all crops
SAME_PHOTOGRAPH = 0.15  # of second crops: only their history differs


@dataclass(frozen=True, eq=False)
class Composite:
    """A crop and what of it was edited: nothing of an authentic one."""

    pixels: Pixels
    region: Region
    kind: str


def composite(photographs: Sequence[Pixels], side: int, random: np.random.Generator) -> Composite:
    """A random one of a random photograph; large photographs are drawn more often."""
    sizes = np.array([picture.shape[0] * picture.shape[1] for picture in photographs], float) ** 0.5
    weights = sizes / sizes.sum()
    first, second = (int(number) for number in random.choice(len(photographs), 2, p=weights))
    host = crop_of(photographs, first, side, random)
    kind, region = "authentic", np.zeros((side, side), bool)
    if random.random() >= AUTHENTIC:
        kind = str(random.choice(list(EDITS), p=[share for _, share in EDITS.values()]))
        other = (
            with_history(host, random)
            if random.random() < SAME_PHOTOGRAPH
            else crop_of(photographs, second, side, random)
        )
        host, region = EDITS[kind][0](host, other, region_in(host.shape, random), random)
    return Composite(*_published(host, region, random), kind)


def _published(pixels: Pixels, region: Region, random: np.random.Generator) -> tuple[Pixels, Region]:
    """Scaled in one case of eight, then lossless, JPEG once or twice, or WebP."""
    side = len(pixels)
    if random.random() < 0.12:
        factor = float(random.uniform(0.75, 1.3))
        how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        grown = cv2.resize(pixels, None, fx=factor, fy=factor, interpolation=how)
        marked = cv2.resize(region.astype(np.uint8), grown.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        missing = max(0, side - len(grown))
        pixels = cv2.copyMakeBorder(grown, 0, missing, 0, missing, cv2.BORDER_REFLECT)[:side, :side]
        region = cv2.copyMakeBorder(marked, 0, missing, 0, missing, cv2.BORDER_REFLECT)[:side, :side] > 0
    chance = random.random()
    if chance < 0.35:
        return np.ascontiguousarray(pixels), region
    if chance < 0.42:
        pixels = off_grid(np.ascontiguousarray(pixels), int(random.integers(60, 96)), random)
    form = "WEBP" if chance > 0.96 else "JPEG"
    return saved(np.ascontiguousarray(pixels), int(random.integers(70, 99)), random, form), region
