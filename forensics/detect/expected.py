"""What normal images show where an image looks odd: a synthetic expectation, never the truth about this image.

    e_n(s)  = mean over the ring around the odd region of (image - normal_n shifted by s)^2
    p       = mean of the few patches of least error, each brought to the ring's level, weighted by 1 / error
    h(f)    = the harmonic function inside the region that equals f on its border:   laplace(h) = 0
    out     = h(image) + w (p - h(p)) inside,   w = explained share of the ring's variance, squared

Aligned images (anatomy, fixtures, fixed cameras) are compared at nearly the same place, others anywhere. At w = 1 this is
seamless cloning (Perez, Gangnet, Blake 2003, eq. 4). Where the patches do not even predict the ring (grass, gravel), their
detail would be as wrong as it is sharp: w falls, and what is expected is smooth. Outside of the region every pixel is the
image's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from scipy.ndimage import binary_dilation

from oddpixel.errors import InvalidImage

RING = 8  # pixels
ALIGNED_REACH = 4  # pixels that the same place may be off by
PATCHES = 5
LARGEST_PART = 0.5  # of an image that may be odd

Pixels = Float32[np.ndarray, "_c _h _w"]
Mask = Bool[np.ndarray, "_h _w"]


@dataclass(frozen=True, eq=False)
class Expected:
    """A synthetic expectation of normal content in place of an odd region.

    Arguments:
        pixels: the image with its odd region as normal images would have it.
        sources: which normal images that was taken from, the most alike first.
    """

    pixels: Pixels
    sources: tuple[int, ...]


@dataclass(frozen=True)
class _Patch:
    error: float
    source: int
    top: int
    left: int


def expected_normal(pixels: Pixels, odd: Mask, normals: Sequence[Pixels], *, aligned: bool = False) -> Expected:
    """The image with its odd region filled from normal images.

    Arguments:
        odd: the region to be replaced.
        normals: of as many channels; of the same size where `aligned`.
        aligned: whether the same place shows the same thing.

    Raises: InvalidImage where nothing is odd or too much is, or no normal image fits.
    """
    share = float(odd.mean())
    if not 0 < share <= LARGEST_PART:
        raise InvalidImage(
            f"{share:.0%} of the image is odd; an expected normal needs some, and at most {LARGEST_PART:.0%}"
        )
    box = _box(odd)
    patches = _best(pixels, odd, box, normals, aligned)
    if not patches:
        raise InvalidImage(f"none of {len(normals)} normal images has the size and channels of this one")
    inside, ring = odd[box], _ring(odd)[box]
    part = pixels[(slice(None), *box)]
    patch = _averaged(patches, part, ring, normals)
    weight = _explained(part, patch, ring) ** 2
    made = weight * patch + _membrane(part - weight * patch, inside)
    filled = np.where(inside, made, part)
    out = pixels.copy()
    out[(slice(None), *box)] = filled
    return Expected(out, tuple(dict.fromkeys(each.source for each in patches)))


def _box(odd: Mask) -> tuple[slice, slice]:
    """Of the region and its ring."""
    rows, columns = np.nonzero(binary_dilation(odd, iterations=RING))
    return slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(columns.max()) + 1)


def _ring(odd: Mask) -> Mask:
    ring: Mask = binary_dilation(odd, iterations=RING) & ~odd
    return ring


def _best(
    pixels: Pixels, odd: Mask, box: tuple[slice, slice], normals: Sequence[Pixels], aligned: bool
) -> list[_Patch]:
    """The patches of least error, one a normal image where they are aligned, else several."""
    part = np.ascontiguousarray(pixels[(slice(None), *box)].transpose(1, 2, 0))
    weight = _ring(odd)[box].astype(np.float32)
    patches: list[_Patch] = []
    for source, normal in enumerate(normals):
        window = _window(normal.shape, box, aligned)
        searched = np.ascontiguousarray(normal[(slice(None), *window)].transpose(1, 2, 0))
        if len(normal) != len(pixels) or any(a < b for a, b in zip(searched.shape, part.shape, strict=True)):
            continue
        errors = _errors(searched, part, weight)
        for row, column in _minima(errors, 1 if aligned else PATCHES):
            top, left = window[0].start + int(row), window[1].start + int(column)
            patches.append(_Patch(float(errors[row, column]), source, top, left))
    return sorted(patches, key=lambda each: each.error)[:PATCHES]


def _window(shape: tuple[int, ...], box: tuple[slice, slice], aligned: bool) -> tuple[slice, slice]:
    if not aligned:
        return slice(0, shape[1]), slice(0, shape[2])
    rows, columns = (
        slice(max(each.start - ALIGNED_REACH, 0), min(each.stop + ALIGNED_REACH, length))
        for each, length in zip(box, shape[1:], strict=True)
    )
    return rows, columns


def _errors(searched: np.ndarray, part: np.ndarray, weight: np.ndarray) -> Float[np.ndarray, "p q"]:
    """Mean squared difference over the ring at every place, levels brought together."""
    count = max(float(weight.sum()), 1.0)
    errors = 0.0
    for channel in range(part.shape[2]):
        template, picture = part[..., channel], searched[..., channel]
        squares = cv2.matchTemplate(picture, template, cv2.TM_SQDIFF, mask=weight) / count
        local = cv2.matchTemplate(picture, weight, cv2.TM_CCORR) / count
        offset = float((template * weight).sum() / count) - local
        errors = errors + np.maximum(squares - offset**2, 0)
    return np.atleast_2d(errors)


def _minima(errors: Float[np.ndarray, "p q"], count: int) -> list[Int[np.ndarray, "2"]]:
    """The places of least error that do not overlap by more than a ring."""
    left, places = errors.copy(), []
    for _ in range(count):
        place = np.array(np.unravel_index(int(np.argmin(left)), left.shape))
        if not np.isfinite(left[tuple(place)]):
            break
        places.append(place)
        row, column = place
        left[max(row - RING, 0) : row + RING + 1, max(column - RING, 0) : column + RING + 1] = np.inf
    return places


def _averaged(patches: Sequence[_Patch], part: np.ndarray, ring: Mask, normals: Sequence[Pixels]) -> np.ndarray:
    """Each at the level that the image has on the ring; the more alike, the heavier."""
    height, width = ring.shape
    least = max(min(each.error for each in patches), 1e-12)
    total, weights = np.zeros(part.shape, np.float64), 0.0
    for each in patches:
        patch = normals[each.source][:, each.top : each.top + height, each.left : each.left + width]
        level = (part - patch)[:, ring].mean(1)[:, None, None]
        weight = least / max(each.error, least)
        total, weights = total + weight * (patch + level), weights + weight
    return (total / weights).astype(np.float32)


def _explained(part: np.ndarray, patch: np.ndarray, ring: Mask) -> float:
    """The share of the ring's variance that the patch predicts, 0..1."""
    left = float(((part - patch)[:, ring] ** 2).mean())
    variance = float(part[:, ring].var(axis=1).mean())
    return max(1 - left / max(variance, 1e-12), 0.0)


def _membrane(difference: np.ndarray, inside: Mask) -> np.ndarray:
    """The harmonic function inside that equals `difference` around it; a side at the image's edge is free."""
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import spsolve

    number = np.full(inside.shape, -1)
    number[inside] = np.arange(int(inside.sum()))
    rows, columns, values = [], [], []
    degree = np.zeros(int(inside.sum()))
    right = np.zeros((len(difference), len(degree)))
    places = np.argwhere(inside)
    for step in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        there = places + step
        valid = ((there >= 0) & (there < inside.shape)).all(1)
        here, there = number[tuple(places[valid].T)], there[valid]
        degree[here] += 1
        other = number[tuple(there.T)]
        known = other < 0
        right[:, here[known]] += difference[:, there[known, 0], there[known, 1]]
        rows.append(here[~known])
        columns.append(other[~known])
        values.append(-np.ones(int((~known).sum())))
    diagonal = np.arange(len(degree))
    entries = (
        np.concatenate([*values, degree]),
        (np.concatenate([*rows, diagonal]), np.concatenate([*columns, diagonal])),
    )
    solved = np.atleast_2d(spsolve(coo_array(entries, shape=(len(degree),) * 2).tocsc(), right.T).T)
    out = np.zeros_like(difference)
    out[:, inside] = solved.reshape(len(difference), -1)
    return out
