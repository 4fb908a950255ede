"""Pictures on the training device, and crops of them made there: any scale, averaged over areas, varied, labelled by corpus.

A photograph's crop is even in the logarithm of its scale, so that fine and coarse views are equally frequent, and is never upside
down. A slice of a scan is shown whole and never mirrored, and its grey levels keep their meaning but for a gain of 10 %.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from oddpixel.datasets.variation import TONE_DRAWS, toned
from oddpixel.errors import InvalidImage
from oddpixel.image import Image, Unreadable

MOST_REDUCED = 4.0  # a crop shows at most this many stored pixels for one of its own
TONED = 0.7  # of the crops of photographs
AREA_POWER = 0.45
LEAST_OF_SLICE = 0.88  # of its shorter side
SLICE_GAIN = 0.1


@dataclass(frozen=True, eq=False)
class Pictures:
    """Training pictures on one device, with labels and weights for drawing crops.

    Arguments:
        stored: `[3, h, w]` each, on one device.
        labels: a number each; 0 is no label.
        whole: labels whose pictures are shown whole: slices of scans.
        shares: of the crops, by label; labels without one share what is left by area.
        credits: title, licence, attribution.
    """

    stored: Sequence[UInt8[Tensor, "3 _h _w"]]
    labels: Sequence[int]
    whole: frozenset[int] = frozenset()
    shares: Mapping[int, float] = field(default_factory=dict)
    credits: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.stored)

    def part(self, chosen: slice) -> Pictures:
        """Some of the pictures, with their labels."""
        return replace(self, stored=self.stored[chosen], labels=self.labels[chosen])

    def to(self, device: torch.device | str) -> Pictures:
        """The pictures on another device."""
        return replace(self, stored=tuple(picture.to(device) for picture in self.stored))

    @property
    def sha256(self) -> str:
        """Hash of all stored pixels, in order."""
        digest = hashlib.sha256()
        for picture in self.stored:
            digest.update(picture.cpu().numpy().tobytes())
        return digest.hexdigest()

    @cached_property
    def weights(self) -> Float[Tensor, "_n"]:
        """How often each picture is drawn: by its area to a power, then by the shares of the labels."""
        areas = torch.tensor([float(picture.shape[1] * picture.shape[2]) for picture in self.stored]) ** AREA_POWER
        labels = torch.tensor(self.labels)
        for label, share in self.shares.items():
            if bool((has_label := labels == label).any()):
                areas[has_label] *= share / areas[has_label].sum()
        return areas

    def crops(
        self, count: int, side: int, generator: torch.Generator
    ) -> tuple[Float[Tensor, "b 3 s s"], Int64[Tensor, "b"]]:
        """Draw square crops of `side` pixels in 0..1 with their labels, on the device of the pictures.

        Arguments:
            generator: of the CPU, so that every machine draws the same.
        """
        chosen = torch.multinomial(self.weights, count, replacement=True, generator=generator).tolist()
        draws = torch.rand(count, 5 + TONE_DRAWS, generator=generator)
        squares = torch.stack(
            [self._square(i, side, draw) for i, draw in zip(chosen, draws[:, :3].tolist(), strict=True)]
        )
        labels = torch.tensor([self.labels[index] for index in chosen])
        return self._varied(squares, labels, draws).clamp(0, 1), labels.to(squares.device)

    def _square(self, index: int, side: int, draw: Sequence[float]) -> Float[Tensor, "3 s s"]:
        stored = self.stored[index]
        height, width = stored.shape[1:]
        window = self._window(min(height, width), side, self.labels[index] in self.whole, draw[0])
        top, left = int(draw[1] * (height - window + 1)), int(draw[2] * (width - window + 1))
        part = stored[None, :, top : top + window, left : left + window].float() / 255
        if window == side:
            return part[0]
        return interpolate(part, size=(side, side), mode="area" if window > side else "bilinear")[0]

    @staticmethod
    def _window(shorter: int, side: int, is_whole: bool, draw: float) -> int:
        if is_whole:
            return round(shorter * (LEAST_OF_SLICE + (1 - LEAST_OF_SLICE) * draw))
        largest = min(shorter, int(MOST_REDUCED * side))
        return largest if largest <= side else round(float(side * (largest / side) ** draw))

    def _varied(self, squares: Tensor, labels: Tensor, draws: Tensor) -> Tensor:
        draws = draws.to(squares.device)
        is_slice = torch.tensor([int(label) in self.whole for label in labels], device=squares.device)
        mirrored = ((draws[:, 3] < 0.5) & ~is_slice)[:, None, None, None]  # the heart is on one side
        squares = torch.where(mirrored, squares.flip(3), squares)
        gain = torch.where(is_slice, 1 + SLICE_GAIN * (2 * draws[:, 5] - 1), torch.ones_like(draws[:, 5]))
        squares = squares * gain[:, None, None, None]
        chosen = ((draws[:, 4] < TONED) & ~is_slice).nonzero().flatten()
        if len(chosen):
            squares[chosen] = toned(squares[chosen], 1.0, draws[chosen, 5:])
        return squares


def take(images: Iterable[tuple[Image | Unreadable, int]], least: int, credits: dict[str, Any]) -> Pictures:
    """Collect display images whose shorter side has at least `least` pixels. Raises: InvalidImage where there are none."""
    stored, labels = [], []
    for image, label in images:
        if not isinstance(image, Image) or image.unit != "display" or min(image.pixels.shape[1:]) < least:
            continue
        channels = image.pixels[:3] if len(image.pixels) >= 3 else np.repeat(image.pixels[:1], 3, axis=0)
        stored.append(torch.from_numpy(np.rint(255 * channels).clip(0, 255).astype(np.uint8)))
        labels.append(label)
    if not stored:
        raise InvalidImage(f"no picture has a shorter side of {least} pixels or more")
    return Pictures(tuple(stored), tuple(labels), credits=credits)
