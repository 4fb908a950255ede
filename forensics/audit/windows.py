"""Windows all over an image, and the one that differs most from the others: what the calibrated checks share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped


@dataclass(frozen=True, eq=False)
class Odd:
    """The window that differs most from the others, and where it lies.

    Arguments:
        score: deviations of the oddest window from the middle of all, in robust standard deviations.
        map: of all windows, the oddest 1, those at half the score or less 0.
        regions: boxes of what lies above half.
    """

    score: float
    map: Float32[np.ndarray, "h w"]
    regions: list[list[int]]


def oddest(values: Float[np.ndarray, "p q"], step: int, size: tuple[int, int], *, least: float, sides: int = 0) -> Odd:
    """Compare windows with their own median and robust spread, and locate the oddest one.

    Arguments:
        values: one a window; NaN where a window says nothing.
        step: pixels between windows.
        least: a spread below this counts as this: values that hardly differ have no odd one among them.
        sides: 1 for high ones only, -1 for low ones, 0 for both.
    """
    finite = values[np.isfinite(values)]
    if finite.size < 9:
        return Odd(0.0, np.zeros(size, np.float32), [])
    middle = float(np.median(finite))
    spread = max(1.4826 * float(np.median(np.abs(finite - middle))), least)
    deviation = (values - middle) / spread
    deviation = np.abs(deviation) if sides == 0 else sides * deviation
    deviation = np.where(np.isfinite(deviation), np.maximum(deviation, 0), 0.0)
    score = float(deviation.max())
    shown = np.clip(2 * deviation / max(score, 1e-9) - 1, 0, 1).astype(np.float32)
    picture = enlarged(shown, step, size)
    return Odd(score, picture, boxes(picture > 0, most=5))


def block_means(picture: Float[np.ndarray, "h w"], side: int) -> Float[np.ndarray, "p q"]:
    """The means over blocks of that side; a rest at the border is left out."""
    rows, columns = (length // side for length in picture.shape)
    result: Float[np.ndarray, "p q"] = (
        picture[: rows * side, : columns * side].reshape(rows, side, columns, side).mean((1, 3))
    )
    return result


def enlarged(values: Shaped[np.ndarray, "p q"], side: int, size: tuple[int, int]) -> Float32[np.ndarray, "h w"]:
    """The values enlarged to pixels, each over its block; 0 on a rest at the border."""
    picture = np.zeros(size, np.float32)
    grown = values.astype(np.float32).repeat(side, 0).repeat(side, 1)[: size[0], : size[1]]
    picture[: grown.shape[0], : grown.shape[1]] = grown
    return picture


def boxes(marked: Bool[np.ndarray, "h w"], most: int = 20) -> list[list[int]]:
    """The bounding boxes of connected parts, largest first: top, left, bottom, right."""
    import cv2

    count, _, stats, _ = cv2.connectedComponentsWithStats(marked.astype(np.uint8))
    order = sorted(range(1, count), key=lambda k: (-int(stats[k, 4]), int(stats[k, 1]), int(stats[k, 0])))
    return [
        [int(stats[k, 1]), int(stats[k, 0]), int(stats[k, 1] + stats[k, 3]), int(stats[k, 0] + stats[k, 2])]
        for k in order[:most]
    ]


def window_sums(counts: Shaped[np.ndarray, "*_ p q"], side: int) -> Shaped[np.ndarray, "*_ r s"]:
    """The sums over windows of that many cells a side, half a side apart."""
    table = np.pad(counts.cumsum(-2).cumsum(-1), ((0, 0),) * (counts.ndim - 2) + ((1, 0), (1, 0)))
    sums = table[..., side:, side:] - table[..., :-side, side:] - table[..., side:, :-side] + table[..., :-side, :-side]
    step = max(1, side // 2)
    result: Shaped[np.ndarray, "*_ r s"] = sums[..., ::step, ::step]
    return result
