"""What happens to pictures on their way: saved again, resized, blurred, shown on a screen. Each manipulated tile of a
photograph is altered after its manipulation, and measured: what a platform leaves of its traces."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np
from PIL import Image as Pillow

from .cases import Case, Source, encoded, manipulated, resized
from .measure import measure

UNALTERED = "as it was"
EVERYDAY = ("jpeg 90", "jpeg 80", "jpeg 70", "resized 0.75", "resized 0.9", "resized 1.1", "resized 1.25")
KINDS = ("splice-shifted", "splice", "seamless", "inpainted", "copy-move", "blurred")


def _as_jpeg(pixels: np.ndarray, quality: int) -> bytes:
    return encoded(pixels, f"jpeg-{quality}")


def _as_resized(pixels: np.ndarray, factor: float) -> bytes:
    return encoded(resized(pixels, factor), "png")


def _noisy(pixels: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 3, pixels.shape)
    return np.clip(pixels + noise, 0, 255).round().astype(np.uint8)


ALTERATIONS: dict[str, Callable[[np.ndarray], bytes]] = {
    UNALTERED: lambda x: encoded(x, "png"),
    **{f"jpeg {q}": partial(_as_jpeg, quality=q) for q in (100, 95, 90, 80, 70, 60, 50)},
    **{f"resized {f:g}": partial(_as_resized, factor=f) for f in (0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 2.0)},
    "cropped by 3 and 5": lambda x: encoded(x[3:, 5:], "png"),
    "blurred 0.7": lambda x: encoded(cv2.GaussianBlur(x, (0, 0), 0.7), "png"),
    "noise of 3": lambda x: encoded(_noisy(x), "png"),
    "webp 80": lambda x: encoded(x, "webp-80"),
    "screenshot": lambda x: encoded(np.pad(resized(x, 0.83), ((40, 9), (7, 7), (0, 0)), constant_values=235), "png"),
}  # fmt: skip


def of_altered(job: tuple[Source, Source, Sequence[str]]) -> list[dict[str, Any]]:
    """Measured copies of an authentic tile and of its manipulations, after each of the alterations named."""
    source, donor, names = job
    pictures = {"authentic": source.picture}
    for case in manipulated(source, donor, "png", KINDS):
        pictures[case.kind] = np.asarray(Pillow.open(io.BytesIO(case.content)))
    return [
        measure(Case(f"{kind}/{name}", source, ALTERATIONS[name](pixels)), ("residual-mixture",))
        | {"manipulated": kind != "authentic", "form": name}
        for kind, pixels in pictures.items()
        for name in names
    ]
