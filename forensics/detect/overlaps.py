"""Normals of different groups that show the same thing: overlapping crops of one picture, or copies of one another.

Left out of the memory, such a normal still finds itself in its neighbours, so calibration scores are too small and the promise is
void. Two images overlap where many of their corners match under one shift (ORB, Rublee et al. 2011) and then all they share does,
pixel by pixel. A fixed camera's frames share their background at no shift, which is as it should be: at no shift, images count
as copies only where normals are otherwise different.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32
from scipy.ndimage import gaussian_filter

from oddpixel.counting import counted
from oddpixel.image import Image

MOST_IMAGES = 128
FEW = 0.1  # of the groups
SIDE = 512  # pixels; the largest normal is reduced to this, all others by the same factor
CORNERS, CLOSE, VOTES = 150, 24, 5  # of an image; bits that may differ; matches under one shift
BIN = 3  # pixels within which shifts are the same
LEAST_SIDE, LEAST_SHARE = 16, 0.05  # of what two images share
SAME = 0.95  # correlation of fine detail
DIFFERENT = 0.5  # correlation at no shift, at most, of normals among which copies stand out

Detail = Float32[np.ndarray, "_h _w"]
Shift = tuple[int, int]


@dataclass(frozen=True, eq=False)
class _Seen:
    source: str
    group: str
    detail: Detail
    places: np.ndarray
    corners: np.ndarray


def overlapping(images: Sequence[Image]) -> list[tuple[str, str]]:
    """Pairs of images of different groups that show the same thing, by their sources; of the first `MOST_IMAGES`."""
    images = images[:MOST_IMAGES]
    factor = min(SIDE / max(max(image.pixels.shape[1:]) for image in images), 1.0)
    seen = [_seen(image, factor) for image in images]
    pairs = [(a, b) for a, b in itertools.combinations(seen, 2) if a.group != b.group]
    found = [(a, b, shift) for a, b in pairs if (shift := _shift(a, b)) is not None]
    moved = [(a.source, b.source) for a, b, shift in found if max(map(abs, shift)) > BIN]
    still = [(a, b) for a, b, shift in found if max(map(abs, shift)) <= BIN]
    return moved + ([(a.source, b.source) for a, b in still] if still and _differ(pairs) else [])


def are_few(pairs: Sequence[tuple[str, str]], groups: Sequence[str]) -> bool:
    """Whether so few images are concerned that the second of each pair can be left out instead."""
    return len({source for pair in pairs for source in pair}) <= FEW * len(groups)


def in_words(pairs: Sequence[tuple[str, str]]) -> str:
    """Why that withdraws the promise, and what to do."""
    first, second = pairs[0]
    return (
        f"{counted(len(pairs), 'pair')} of normals show the same thing though they are of different groups (such as {first} and "
        f"{second}: overlapping crops, or copies), so nothing is promised about false alarms; give the crops of a picture one "
        "group (--group-from csv, folder or dicom), leave one of two copies out, and fit again"
    )


def _seen(image: Image, factor: float) -> _Seen:
    grey = image.pixels.mean(0)
    low, high = float(grey.min()), float(grey.max())
    grey = ((grey - low) / max(high - low, 1e-6) * 255).astype(np.uint8)
    if factor < 1:
        grey = cv2.resize(grey, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    orb = cv2.ORB.create(CORNERS, edgeThreshold=8, patchSize=15, fastThreshold=5, nlevels=1)
    keypoints, corners = orb.detectAndCompute(grey, None)
    places = np.array([keypoint.pt for keypoint in keypoints], np.float32).reshape(-1, 2)
    blurred = gaussian_filter(grey.astype(np.float32), 3.0)
    return _Seen(
        image.source, image.group, grey - blurred, places, corners if len(places) else np.zeros((0, 32), np.uint8)
    )


def _shift(a: _Seen, b: _Seen) -> Shift | None:
    """By how many columns and rows `b` is moved where it shows what `a` does; None where it does not."""
    if min(len(a.places), len(b.places)) < VOTES:
        return None
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(a.corners, b.corners)
    moves = np.array([a.places[m.queryIdx] - b.places[m.trainIdx] for m in matches if m.distance <= CLOSE])
    if len(moves) < VOTES:
        return None
    nearby = (np.abs(moves[:, None] - moves[None]).max(2) <= BIN).sum(1)
    if nearby.max() < VOTES:
        return None
    column, row = np.rint(moves[nearby.argmax()]).astype(int)
    return next(
        (shift for shift in _around((int(column), int(row))) if _correlation(a.detail, b.detail, shift) >= SAME), None
    )


def _around(shift: Shift) -> Iterator[Shift]:
    for right, down in itertools.product((0, -1, 1), repeat=2):
        yield shift[0] + right, shift[1] + down


def _correlation(a: Detail, b: Detail, shift: Shift) -> float:
    """Of what both show where `b` lies so many columns right of and rows below `a`; 0 where that is too little."""
    (right, down), ((h, w), (p, q)) = shift, (a.shape, b.shape)
    top, left, bottom, far = max(down, 0), max(right, 0), min(h, p + down), min(w, q + right)
    if min(bottom - top, far - left) < LEAST_SIDE or (bottom - top) * (far - left) < LEAST_SHARE * min(h * w, p * q):
        return 0.0
    mine, other = a[top:bottom, left:far], b[top - down : bottom - down, left - right : far - right]
    scale = float(np.sqrt((mine**2).sum() * (other**2).sum()))
    return float((mine * other).sum()) / scale if scale else 0.0


def _differ(pairs: Sequence[tuple[_Seen, _Seen]]) -> bool:
    """Whether normals are unlike each other at no shift, so that copies stand out."""
    step = max(len(pairs) // 100, 1)
    return float(np.median([_correlation(a.detail, b.detail, (0, 0)) for a, b in pairs[::step]])) < DIFFERENT
