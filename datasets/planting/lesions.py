"""Lesions in slices of bodies: blobs, foreign texture, missing and doubled structures, streaks.

`strength` scales the contrast of blobs and streaks (in units of the body's own span), the size of `texture-swap`, and
how far a structure is removed or doubled. Synthetic, and to be called so: they show that a detector sees changes of
this kind, not that it finds disease.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import Canvas, Kind, Mask, Pixels, bounded, changed
from .tamper import filled

CONTRAST = 0.5  # of the span, at strength 1


def bright_blob(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """A smooth hump inside the body, like a dense nodule."""
    return _blob(canvas, +1)


def dark_blob(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """A smooth hollow inside the body, like a cyst."""
    return _blob(canvas, -1)


def texture_swap(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """A region's detail replaced by detail from elsewhere in the body, its brightness kept."""
    from scipy.ndimage import gaussian_filter

    body = canvas.body()
    mask = canvas.blob(0.08 + 0.2 * canvas.strength, body)
    rows, columns = np.nonzero(mask)
    smooth = gaussian_filter(canvas.image.pixels, (0, 4, 4))
    detail = canvas.image.pixels - smooth
    down, right = _towards_other_texture(canvas, detail, body, rows, columns)
    pixels = canvas.copy()
    pixels[:, mask] = smooth[:, mask] + detail[:, rows + down, columns + right]
    return pixels, mask


def missing_organ(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """The given structure, or a blob where none is given, filled from its surroundings, with their noise on top."""
    from scipy.ndimage import binary_dilation, gaussian_filter

    mask = _structure(canvas)
    around = binary_dilation(mask, iterations=6) & ~mask
    smooth = filled(canvas.image.pixels, mask)
    residue = (canvas.image.pixels - gaussian_filter(canvas.image.pixels, (0, 2, 2)))[:, around]
    pixels = canvas.copy()
    if residue.shape[1]:
        # Next to a bright organ the smooth image is too bright, and its edge is no grain.
        residue -= np.median(residue, 1, keepdims=True)
        grain = 2.5 * 1.4826 * np.median(np.abs(residue), 1, keepdims=True)
        residue = np.clip(residue, -grain, grain)
        drawn = residue[:, canvas.random.integers(residue.shape[1], size=int(mask.sum()))]
        smooth[:, mask] += drawn
    pixels[:, mask] += canvas.strength * (smooth - pixels)[:, mask]
    return pixels, mask


def duplicated_structure(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """The given structure, or a blob, shown a second time elsewhere in the body; the mask is the copy."""
    mask = _structure(canvas)
    rows, columns = np.nonzero(mask)
    body = canvas.body()
    down, right = _best_of(canvas, rows, columns, lambda r, c: float(body[r, c].mean() - 2 * mask[r, c].mean()))
    target_rows, target_columns = rows + down, columns + right
    pixels, copy = canvas.copy(), np.zeros_like(mask)
    copy[target_rows, target_columns] = True
    before = pixels[:, target_rows, target_columns]
    pixels[:, target_rows, target_columns] = before + canvas.strength * (canvas.image.pixels[:, rows, columns] - before)
    return pixels, copy


def streak(canvas: Canvas) -> tuple[np.ndarray, Mask]:
    """Bright and dark rays from a point in the body, as metal makes them in CT."""
    body = canvas.body()
    row, column = np.argwhere(body)[canvas.random.integers(body.sum())]
    rows, columns = np.mgrid[: canvas.height, : canvas.width].astype(np.float32)
    distance = np.hypot(rows - row, columns - column)
    angle = np.arctan2(rows - row, columns - column)
    rays = np.zeros_like(distance)
    for k in range(int(canvas.random.integers(10, 17))):
        away = (angle - canvas.random.uniform(0, 2 * np.pi) + np.pi) % (2 * np.pi) - np.pi
        rays += (-1) ** k * np.exp(-((away / canvas.random.uniform(0.01, 0.04)) ** 2) / 2)
    reach = canvas.size * canvas.random.uniform(0.1, 0.2) * min(canvas.height, canvas.width)
    amplitude = CONTRAST * canvas.strength * canvas.span_of(body)
    pixels = canvas.image.pixels + amplitude * bounded(rays * np.exp(-distance / reach))
    return pixels, changed(canvas, pixels)


KINDS = (
    Kind("bright-blob", bright_blob),
    Kind("dark-blob", dark_blob),
    Kind("texture-swap", texture_swap),
    Kind("missing-organ", missing_organ),
    Kind("duplicated-structure", duplicated_structure),
    Kind("streak", streak),
)


def _blob(canvas: Canvas, sign: int) -> tuple[np.ndarray, Mask]:
    from scipy.ndimage import gaussian_filter

    shape = canvas.blob(canvas.random.uniform(0.08, 0.16), canvas.body())
    width = np.sqrt(shape.sum() / np.pi) / 4
    profile = gaussian_filter(shape.astype(np.float32), width)
    profile /= max(profile.max(), 1e-6)
    amplitude = sign * CONTRAST * canvas.strength * canvas.span_of(canvas.body())
    pixels = canvas.image.pixels + amplitude * bounded(profile)
    return pixels, changed(canvas, pixels)


def _structure(canvas: Canvas) -> Mask:
    return canvas.blob(0.2, canvas.body()) if canvas.region is None else canvas.region


def _towards_other_texture(
    canvas: Canvas, detail: Pixels, body: Mask, rows: np.ndarray, columns: np.ndarray
) -> tuple[int, int]:
    """The move to where the detail's energy differs most from what is here, inside the body."""
    own_contrast = float(detail[:, rows, columns].std())

    def differs(r: np.ndarray, c: np.ndarray) -> float:
        contrast = float(detail[:, r, c].std())
        result: float = float(body[r, c].mean() > 0.9) * abs(np.log((contrast + 1e-6) / (own_contrast + 1e-6)))
        return result

    return _best_of(canvas, rows, columns, differs)


def _best_of(
    canvas: Canvas, rows: np.ndarray, columns: np.ndarray, worth: Callable[[np.ndarray, np.ndarray], float]
) -> tuple[int, int]:
    """The best by `worth` of many random moves that keep the structure inside the image."""
    moves = [
        (
            int(canvas.random.integers(-rows.min(), canvas.height - rows.max())),
            int(canvas.random.integers(-columns.min(), canvas.width - columns.max())),
        )
        for _ in range(48)
    ]
    return max(moves, key=lambda move: worth(rows + move[0], columns + move[1]))
