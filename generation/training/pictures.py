"""Photographs in memory, and crops of them: any scale, averaged over areas, varied, and labelled by their corpus."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from oddpixel.datasets.variation import TONE_DRAWS, toned, turned
from oddpixel.errors import InvalidImage
from oddpixel.image import Image, Unreadable

MOST_REDUCED = 4.0  # a crop shows at most this many stored pixels for one of its own
TONED = 0.7  # of the crops
AREA_POWER = 0.45


@dataclass(frozen=True, eq=False)
class Pictures:
    """Arguments:
    stored: `[3, h, w]` each.
    labels: a number each; 0 is no label.
    about: title, licence, attribution.
    """

    stored: Sequence[UInt8[np.ndarray, "3 _h _w"]]
    labels: Sequence[int]
    about: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def sha256(self) -> str:
        digest = hashlib.sha256()
        for each in self.stored:
            digest.update(each.tobytes())
        return digest.hexdigest()

    def crop(self, index: int, side: int, generator: torch.Generator) -> Float[Tensor, "3 s s"]:
        """A square of picture `index`, 0..1: of any scale, turned, mirrored, of another tone."""
        stored = self.stored[index]
        height, width = stored.shape[1:]
        draw = torch.rand(6 + TONE_DRAWS, generator=generator).tolist()
        largest = min(height, width, int(MOST_REDUCED * side))
        window = round(side + draw[0] * (largest - side)) if largest > side else min(height, width)
        top, left = int(draw[1] * (height - window + 1)), int(draw[2] * (width - window + 1))
        part = torch.from_numpy(stored[:, top : top + window, left : left + window].astype(np.float32) / 255)[None]
        sized = interpolate(part, size=(side, side), mode="area" if window >= side else "bilinear")[0]
        varied = turned(sized, draw[3], draw[4])
        return toned(varied, 1.0, draw[6:]).clamp(0, 1) if draw[5] < TONED else varied

    def crops(
        self, count: int, side: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "b 3 s s"], Int64[Tensor, "b"]]:
        """Crops and their labels; larger pictures are drawn more often, though not by their whole area."""
        areas = torch.tensor([float(each.shape[1] * each.shape[2]) for each in self.stored])
        chosen = torch.multinomial(areas**AREA_POWER, count, replacement=True, generator=generator).tolist()
        found = torch.stack([self.crop(index, side, generator) for index in chosen])
        return found, torch.tensor([self.labels[index] for index in chosen])


def take(images: Iterable[tuple[Image | Unreadable, int]], least: int, about: dict[str, Any]) -> Pictures:
    """Those whose shorter side has `least` pixels. Raises: InvalidImage where none is left."""
    stored, labels = [], []
    for image, label in images:
        if not isinstance(image, Image) or image.unit != "display" or min(image.pixels.shape[1:]) < least:
            continue
        channels = image.pixels[:3] if len(image.pixels) >= 3 else np.repeat(image.pixels[:1], 3, axis=0)
        stored.append(np.rint(255 * channels).clip(0, 255).astype(np.uint8))
        labels.append(label)
    if not stored:
        raise InvalidImage(f"no picture has a shorter side of {least} pixels or more")
    return Pictures(tuple(stored), tuple(labels), about)
