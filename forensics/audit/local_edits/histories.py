"""Crops of photographs, each with a history of its own: how it was scaled, photographed, polished and saved."""

from __future__ import annotations

import io
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image as Pillow

from .camera import photographed

Pixels = UInt8[np.ndarray, "h w 3"]
SMALLEST_FACTOR = 0.3
SCALING = (cv2.INTER_AREA, cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4)


def crop_of(
    photographs: Sequence[Pixels], number: int, side: int, random: np.random.Generator
) -> UInt8[np.ndarray, "side side 3"]:
    """A square of a photograph, reduced by a random factor, mirrored at random, with a random history."""
    photograph = photographs[number]
    least = max(SMALLEST_FACTOR, (side + 1) / min(photograph.shape[:2]))
    factor = float(np.exp(random.uniform(np.log(min(least, 1.0)), 0.0)))
    reach = min(int(np.ceil(side / factor)), *photograph.shape[:2])
    top, left = (int(random.integers(0, length - reach + 1)) for length in photograph.shape[:2])
    square = photograph[top : top + reach, left : left + reach]
    if random.random() < 0.5:
        square = square[:, ::-1]
    if reach != side:
        square = cv2.resize(np.ascontiguousarray(square), (side, side), interpolation=int(random.choice(SCALING)))
    return with_history(np.ascontiguousarray(square), random)


def with_history(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """The pixels toned, photographed, polished and saved, each at random."""
    if random.random() < 0.4:
        tone = (np.arange(256) / 255) ** random.uniform(0.7, 1.4) * random.uniform(0.8, 1.1)
        pixels = np.rint(np.clip(tone, 0, 1) * 255).astype(np.uint8)[pixels]
    if random.random() < 0.5:
        pixels = photographed(pixels, random)
    if random.random() < 0.3:
        pixels = polished(pixels, random)
    if random.random() < 0.45:
        pixels = off_grid(pixels, int(random.integers(60, 98)), random)
    return pixels


def polished(pixels: Pixels, random: np.random.Generator) -> Pixels:
    """Denoised, sharpened or slightly blurred, as cameras and editors do to whole pictures."""
    kind = random.integers(0, 3)
    if kind == 0:
        return cv2.bilateralFilter(pixels, 5, float(random.uniform(5, 25)), 2.0)
    soft = cv2.GaussianBlur(pixels, (0, 0), float(random.uniform(0.4, 1.2)))
    if kind == 1:
        return soft
    amount = float(random.uniform(0.3, 1.2))
    return cv2.addWeighted(pixels, 1 + amount, soft, -amount, 0)


def off_grid(pixels: Pixels, quality: int, random: np.random.Generator) -> Pixels:
    """The pixels saved as JPEG on a grid that starts anywhere."""
    down, right = (int(offset) for offset in random.integers(0, 8, 2))
    padded = cv2.copyMakeBorder(pixels, down, 0, right, 0, cv2.BORDER_REFLECT)
    return np.ascontiguousarray(saved(padded, quality, random)[down:, right:])


def saved(pixels: Pixels, quality: int, random: np.random.Generator, form: str = "JPEG") -> Pixels:
    """The pixels as a lossy file gives them back."""
    file = io.BytesIO()
    options = {"subsampling": int(random.choice((0, 2)))} if form == "JPEG" else {"method": 2}
    Pillow.fromarray(pixels).save(file, form, quality=quality, **options)
    return np.asarray(Pillow.open(file).convert("RGB"))
