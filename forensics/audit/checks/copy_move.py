"""Copy-move: the same content twice, moved, turned or scaled (keypoints: Amerini et al., TIFS 2011; test design:
Christlein et al., TIFS 2012).

SIFT descriptors are matched within the image; RANSAC looks for one affine map that many matches follow. Of n matches that
fall anywhere, k following one map within delta happen with NFA = (n - 3) C(n, k) C(k, 3) a^(k - 3), a = pi delta^2 / area
(Moisan and Stival 2004). Windows of a house are alike too, but not their noise: the residuals of both places must be
correlated as well, and the NFA reported is the larger of the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from ..exhibit import Exhibit
from ..measurement import Answer, Measurement, Question
from ..nfa import REPORTED

MOST_KEYPOINTS = 6000
MOST_PIXELS = 4_000_000  # larger images are reduced for finding; the residuals are compared at full size
RATIO = 0.6  # a match is that much nearer than the second
APART = 32.0  # pixels at least between two places
DELTA = 3.0
MOST_COPIES = 4
FEWEST = 6
TOGETHER = 16.0  # pixels of a residual that count as one: it is smooth over some and texture repeats
LIMITS = (
    "Smooth parts without keypoints are not seen, mirrored ones neither. Truly repeated things (prints, signs, "
    "cloned sky of a panorama) "
    "can pass; strong compression hides copies."
)


@dataclass(frozen=True, eq=False)
class Copy:
    """A set of keypoint matches that follow one affine map.

    Arguments:
        source, target: matched places, x and y.
        affine: from source to target.
        log10_nfa: of so many matches following it.
    """

    source: Float32[np.ndarray, "k 2"]
    target: Float32[np.ndarray, "k 2"]
    affine: Float64[np.ndarray, "2 3"]
    log10_nfa: float


class CopyMove:
    """The test for a region that was copied within the image."""

    name = "copy-move"
    title = "Copy and move"
    kind = "a-contrario"
    questions = (Question("copy-move"),)
    purpose = "Whether a part of the image is a moved, turned or scaled copy of another part."
    reference = "Amerini et al., TIFS 2011; Christlein et al., TIFS 2012; Moisan and Stival, IJCV 2004"
    needs = "128 x 128 pixels"
    cannot = LIMITS

    def applies(self, exhibit: Exhibit) -> str | None:
        """Why the image cannot be tested: it is too small for keypoints."""
        if min(exhibit.size) < 128:
            return "smaller than 128 x 128 pixels"
        return None

    def measure(self, exhibit: Exhibit) -> Iterator[Answer]:
        """The copy with the lowest NFA, a map of both its places, and the boxes of all copies."""
        best, where, regions, because = 0.0, np.zeros(exhibit.size, np.float32), [], "no part is found twice"
        for copy in _copies(exhibit.luma, exhibit.seed):
            correlation, log10_p = _same_noise(exhibit.luma, copy)
            nfa = max(copy.log10_nfa, log10_p + np.log10(MOST_COPIES))
            if nfa <= REPORTED:
                regions += [_mark(where, copy.source), _mark(where, copy.target)]
            if nfa < best:
                best = float(nfa)
                because = f"{len(copy.source)} matches follow one map, residuals correlate by {correlation:.2f}"
        yield Measurement(
            self.name, statistic=-best, log10_nfa=best, because=because,
            map=where if regions else None, details={"regions": regions}, limits=LIMITS,
        )  # fmt: skip


CHECK = CopyMove()


def _copies(luma: Float32[np.ndarray, "h w"], seed: int) -> Iterator[Copy]:
    import cv2

    source, target = _matches(luma)
    area = float(luma.size)
    for _ in range(MOST_COPIES):
        if len(source) < FEWEST:
            return
        cv2.setRNGSeed(seed % 2**31)
        affine, follows = cv2.estimateAffine2D(
            source, target, method=cv2.RANSAC, ransacReprojThreshold=DELTA, maxIters=3000
        )
        if affine is None or not np.isfinite(affine).all():
            return
        inside = follows.ravel() > 0
        n, k = len(source), int(inside.sum())
        scale = np.sqrt(abs(np.linalg.det(affine[:, :2])))
        nfa = _log10_nfa(n, k, np.pi * DELTA**2 / area)
        if k < FEWEST or nfa > REPORTED:
            return
        spread = min(np.ptp(source[inside], axis=0).max(), np.ptp(target[inside], axis=0).max())
        if 0.4 <= scale <= 2.5 and spread >= 12:
            yield Copy(source[inside], target[inside], affine, nfa)
        source, target = source[~inside], target[~inside]


def _matches(luma: np.ndarray) -> tuple[Float32[np.ndarray, "n 2"], Float32[np.ndarray, "n 2"]]:
    """Pairs of places, each pair once, in pixels of the full image."""
    import cv2

    reduction = max(1.0, np.sqrt(luma.size / MOST_PIXELS))
    grey = np.clip(luma, 0, 255).astype(np.uint8)
    if reduction > 1:
        grey = cv2.resize(grey, None, fx=1 / reduction, fy=1 / reduction, interpolation=cv2.INTER_AREA)
    create: Any = cv2.SIFT_create  # type: ignore[attr-defined] # stubs lack it
    points, descriptors = create(nfeatures=MOST_KEYPOINTS, contrastThreshold=0.01).detectAndCompute(grey, None)
    nothing = np.zeros((0, 2), np.float32)
    if descriptors is None or len(points) < 4 * FEWEST:
        return nothing, nothing
    places = np.array([point.pt for point in points], np.float32)
    descriptors /= np.maximum(np.linalg.norm(descriptors, axis=1, keepdims=True), 1e-6)
    pairs = []
    for begin in range(0, len(places), 1024):
        rows = slice(begin, begin + 1024)
        distance = np.sqrt(np.maximum(2 - 2 * descriptors[rows] @ descriptors.T, 0))
        gap = np.hypot(*(places[rows, None, axis] - places[None, :, axis] for axis in (0, 1)))
        distance[gap < APART / reduction] = np.inf
        nearest = np.argpartition(distance, 2, axis=1)[:, :3]
        nearest = np.take_along_axis(nearest, np.argsort(np.take_along_axis(distance, nearest, 1), 1), 1)
        first, second = (distance[np.arange(len(distance)), nearest[:, k]] for k in (0, 1))
        good = np.isfinite(first) & (first < RATIO * np.where(np.isfinite(second), second, 2.0))
        pairs += [
            (min(begin + i, int(nearest[i, 0])), max(begin + i, int(nearest[i, 0]))) for i in np.flatnonzero(good)
        ]
    if not pairs:
        return nothing, nothing
    index = np.array(sorted(set(pairs)))
    a, b = places[index[:, 0]] * reduction, places[index[:, 1]] * reduction
    # In one direction, so that a copy is one map and not two.
    turn = (b[:, 0] < a[:, 0]) | ((b[:, 0] == a[:, 0]) & (b[:, 1] < a[:, 1]))
    a[turn], b[turn] = b[turn], a[turn].copy()
    return a.astype(np.float32), b.astype(np.float32)


def _log10_nfa(n: int, k: int, chance: float) -> float:
    from scipy.special import gammaln

    def choose(a: int, b: int) -> float:
        result: float = float(gammaln(a + 1) - gammaln(b + 1) - gammaln(a - b + 1)) / np.log(10)
        return result

    if k <= 3 or n <= 3:
        return 0.0
    return float(min(np.log10(n - 3) + choose(n, k) + choose(k, 3) + (k - 3) * np.log10(chance), 0.0))


def _same_noise(luma: Float32[np.ndarray, "h w"], copy: Copy) -> tuple[float, float]:
    """The correlation of the residuals of both places, and the log10 P of as much by chance.

    Where both places are smooth; P by Fisher's z.
    """
    import cv2
    from scipy.special import log_ndtr

    left, top = np.floor(copy.target.min(0)).astype(int)
    right, bottom = np.ceil(copy.target.max(0)).astype(int) + 1
    here = np.s_[max(top, 0) : bottom, max(left, 0) : right]
    moved = copy.affine - np.array([[0, 0, left], [0, 0, top]])
    target = luma[here]
    source = cv2.warpAffine(luma, moved, (target.shape[1], target.shape[0]), flags=cv2.INTER_CUBIC)
    if min(target.shape) < 8:
        return 0.0, 0.0
    a, b = (_residual(patch) for patch in (source, target))
    hull = np.zeros(target.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull((copy.target - [left, top]).astype(np.int32)), 1)
    slope = cv2.GaussianBlur(
        cv2.magnitude(cv2.Sobel(target, cv2.CV_32F, 1, 0), cv2.Sobel(target, cv2.CV_32F, 0, 1)), (0, 0), 2
    )
    inside = hull > 0
    if inside.sum() < 64:
        return 0.0, 0.0
    # Edges are alike in things that are alike; noise is seen where there are none.
    inside &= slope <= np.median(slope[inside])
    x, y = a[inside] - a[inside].mean(), b[inside] - b[inside].mean()
    correlation = float((x * y).sum() / max(np.sqrt((x * x).sum() * (y * y).sum()), 1e-9))
    n = inside.sum() / TOGETHER
    z = np.arctanh(np.clip(correlation, -0.9999, 0.9999)) * np.sqrt(max(n - 3, 1))
    return correlation, float(log_ndtr(-z) / np.log(10))


def _residual(picture: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    import cv2

    return picture - cv2.GaussianBlur(picture, (0, 0), 1.0)


def _mark(where: Float32[np.ndarray, "h w"], points: Float32[np.ndarray, "k 2"]) -> list[int]:
    import cv2

    # OpenCV writes in place; pixels are x first.
    cv2.fillConvexPoly(where, cv2.convexHull(points.astype(np.int32)), 1.0)
    low, high = np.floor(points.min(0)).astype(int), np.ceil(points.max(0)).astype(int) + 1
    return [int(low[1]), int(low[0]), int(high[1]), int(high[0])]
