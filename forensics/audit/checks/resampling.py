"""Resampling by spectral correlation with controlled false alarms (Bammey, WIFS 2024; variance periodicity: Gallagher,
CRV 2005).

Interpolation makes copies of frequencies: F(u) and F(u + d) hang together where d is the old sampling frequency. The sum
of F(u) conj F(u + d) over u is the transform of |f|^2 at d, so one FFT of the (limited) magnitude of the residual shows
it. Without resampling its power at d is exponential with the mean of its surroundings; T = power over the mean of m
neighbours has P(T > t) = (1 + t / m)^-m, and the number of d and of windows that are looked at makes it an NFA.

Left out: peaks of JPEG's 8 x 8 grid and of demosaicing (multiples of 1/8), and those that content explains: a pattern of
frequency f has a peak in the spectrum of the residual itself, and its magnitude one at 2 f.

A peak that most of the image shares is its history. One that only a part has is evidence that the part was resized by
itself. Factors such as 4/5 and 4/3 have theirs where JPEG's grid would have some, so in lossless images without a grid these
are a sign of the image's history, too, and so are zeros of interpolation (`grid_votes`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64

from ..exhibit import Exhibit
from ..grid_votes import Votes, votes_of
from ..measurement import Answer, Measurement, Question
from ..nfa import REPORTED
from ..windows import boxes, enlarged

WINDOW, STEP = 256, 128
LARGEST = 1024  # the middle of the image that speaks for the whole
RING, HOLE = 12, 2  # neighbours within 12 bins but not within 2
NEAR = 12  # bins from the origin: slow changes of contrast
GRID, MOSAIC = 1 / 8, 1 / 2  # cycles a pixel that JPEG's blocks and demosaicing have the multiples of
BY_GRID = 2  # bins about such a multiple
CONTENT = -2.0  # log10 P at which the residual's own spectrum has a peak
PLACE = 64  # pixels of the blocks in which a peak is looked for again
SHARED = 0.5  # of blocks from which a peak is the whole image's
CANDIDATES = 12
LIMITS = (
    "Enlarging is seen best, reducing by less than half hardly, by half or more not. Strong compression afterwards "
    "hides it. Periodic "
    "content (fabrics, screens, raster prints) can have peaks of its own."
)


@dataclass(frozen=True)
class Peak:
    """The strongest spectral peak of a window.

    Arguments:
        log10_nfa: of this window alone, or of all together.
        frequency: cycles a pixel by row and column.
    """

    log10_nfa: float
    frequency: tuple[float, float]


NO_PEAK = Peak(0.0, (0.0, 0.0))


class Resampling:
    """The test for interpolation: of the whole image, or of a part alone."""

    name = "resampling"
    title = "Resampling"
    kind = "calibrated"
    questions = (
        Question("resampling", about="history"),
        Question("resampling-local", scope="tiles"),
    )
    purpose = "Whether the image, or a part of it alone, was resized or rotated by interpolation."
    reference = "Bammey, WIFS 2024; Gallagher, CRV 2005; Kirchner, MM&Sec 2008"
    needs = "256 x 256 pixels"
    cannot = LIMITS

    def applies(self, exhibit: Exhibit) -> str | None:
        """Why the image cannot be tested: it is smaller than one window."""
        if min(exhibit.size) < WINDOW:
            return f"smaller than {WINDOW} x {WINDOW} pixels"
        return None

    def measure(self, exhibit: Exhibit) -> Iterator[Answer]:
        """The lowest NFA of a spectral peak, for the whole image or, where few windows share it, for a part."""
        residual = second_difference(exhibit.luma)
        windows = _windows(exhibit.size)
        peaks = [_peaks(residual[window]) for window in windows]
        best, on_grid = (_strongest([each[k] for each in peaks], len(windows)) for k in range(2))
        is_found = best.log10_nfa <= REPORTED
        share, where = _where(residual, best.frequency, exhibit.size) if is_found else (0.0, None)
        if share < SHARED and exhibit.gate.stratum == "lossless" and on_grid.log10_nfa <= REPORTED:
            yield _sign(on_grid, _where(residual, on_grid.frequency, exhibit.size)[0])
        elif share < SHARED and (votes := votes_of(exhibit)).is_interpolated:
            yield _of_zeros(votes)
        else:
            yield _finding("resampling", best, is_found and share >= SHARED, None)
        yield _finding("resampling-local", best, is_found and share < SHARED, where)


CHECK = Resampling()


def second_difference(luma: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h w"]:
    """The second difference in both directions, relative to its local mean magnitude.

    Limited, so that edges do not rule.
    """
    import cv2

    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 4
    residual = cv2.filter2D(luma, cv2.CV_32F, kernel)
    limited: Float32[np.ndarray, "h w"] = np.clip(residual / (cv2.blur(np.abs(residual), (17, 17)) + 0.05), -3, 3)
    return limited


def _windows(size: tuple[int, int]) -> list[tuple[slice, slice]]:
    """All that are looked at: squares all over, and the largest in the middle."""
    windows = [
        np.s_[top : top + WINDOW, left : left + WINDOW]
        for top in range(0, size[0] - WINDOW + 1, STEP)
        for left in range(0, size[1] - WINDOW + 1, STEP)
    ]
    side = min(LARGEST, *(length // 2 * 2 for length in size))
    down, right = ((length - side) // 2 for length in size)
    return [np.s_[down : down + side, right : right + side], *windows]


def power_of(part: Float32[np.ndarray, "n n"]) -> Float64[np.ndarray, "n n2"]:
    """The power spectrum by frequency of rows and of columns, half of the latter."""
    window = np.hanning(part.shape[0])[:, None] * np.hanning(part.shape[1])
    return np.square(np.abs(np.fft.rfft2((part - part.mean()) * window)))


def _strongest(peaks: Sequence[Peak], num_windows: int) -> Peak:
    """The one with the lowest NFA, which is now of all windows together."""
    best = min(peaks, key=lambda peak: peak.log10_nfa)
    return replace(best, log10_nfa=min(best.log10_nfa + float(np.log10(num_windows)), 0.0))


def _peaks(part: Float32[np.ndarray, "n n"]) -> tuple[Peak, Peak]:
    """The strongest that neither grid nor content explains, and the strongest at a frequency of JPEG's grid that demosaicing
    does not have and content does not explain.
    """
    logs = _log10_p(power_of(np.abs(part)))
    anywhere, on_grid, on_mosaic = _once(logs.shape), _multiples(logs.shape, GRID), _multiples(logs.shape, MOSAIC)
    own = cache(lambda: _log10_p(power_of(part)))
    return _peak(part, logs, anywhere & ~on_grid, own), _peak(part, logs, anywhere & on_grid & ~on_mosaic, own)


def _peak(part: np.ndarray, logs: np.ndarray, looked_at: np.ndarray, own: Callable[[], np.ndarray]) -> Peak:
    """The strongest of those looked at that content does not explain.

    Arguments:
        own: gives log10 P of the residual's own spectrum.
    """
    side = len(part)
    values = np.where(looked_at, logs, 0.0).ravel()
    most = np.argpartition(values, CANDIDATES)[:CANDIDATES]
    for flat in most[np.argsort(values[most], kind="stable")]:
        nfa = float(values[flat] + np.log10(looked_at.sum()))
        if nfa > 0:
            break
        row, column = divmod(int(flat), logs.shape[1])
        if not _by_content(own(), row, column):
            return Peak(nfa, ((row if row <= side // 2 else row - side) / side, column / side))
    return NO_PEAK


def _by_content(own: np.ndarray, row: int, column: int) -> bool:
    """Whether the residual's own spectrum has a peak at that frequency or at a half of it (also of its aliases)."""
    side = len(own)
    places: list[tuple[float, float]] = [(row, column)]
    places += [(row / 2 + a * side / 2, column / 2 + b * side / 2) for a in (0, 1) for b in (0, 1)]
    for place in places:
        down, right = (round(coordinate) % side for coordinate in place)
        if right > side // 2:
            down, right = -down % side, side - right
        rows = np.arange(down - 1, down + 2) % side
        if own[rows][:, max(right - 1, 0) : right + 2].min() <= CONTENT:
            return True
    return False


def _log10_p(power: np.ndarray) -> Float64[np.ndarray, "n n2"]:
    """log10 P(T > t) at every frequency."""
    from scipy.ndimage import uniform_filter

    wide, narrow = 2 * RING + 1, 2 * HOLE + 1
    modes = ("wrap", "mirror")
    around = uniform_filter(power, wide, mode=modes) * wide**2 - uniform_filter(power, narrow, mode=modes) * narrow**2
    count = wide**2 - narrow**2
    ratio = power / np.maximum(around / count, 1e-12)
    m = count // 4  # Hann's window makes neighbours hang together: about four are worth one
    answer: np.ndarray = -m * np.log10(1 + ratio / m)
    return answer


def _bins(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The distance from frequency zero, by row and by column."""
    side = shape[0]
    return np.minimum(np.arange(side), side - np.arange(side))[:, None], np.arange(shape[1])[None]


def _once(shape: tuple[int, int]) -> Bool[np.ndarray, "n n2"]:
    """Each frequency once, without the slow changes of contrast."""
    rows, columns = _bins(shape)
    answer: np.ndarray = ~((rows <= NEAR) & (columns <= NEAR))
    return answer & ((columns > 0) | (np.arange(shape[0])[:, None] <= shape[0] // 2))


def _multiples(shape: tuple[int, int], frequency: float) -> Bool[np.ndarray, "n n2"]:
    """Where both frequencies are multiples of one."""
    unit = shape[0] * frequency
    down, right = (np.abs(axis - np.rint(axis / unit) * unit) <= BY_GRID for axis in _bins(shape))
    answer: np.ndarray = down & right
    return answer


def _where(
    residual: np.ndarray, frequency: tuple[float, float], size: tuple[int, int]
) -> tuple[float, Float32[np.ndarray, "h w"]]:
    """In which share of blocks the peak stands out, and a map of them."""
    rows, columns = (length // PLACE for length in size)
    magnitude = np.abs(residual[: rows * PLACE, : columns * PLACE]).reshape(rows, PLACE, columns, PLACE)
    hann, place = np.hanning(PLACE), np.arange(PLACE)
    level = np.einsum("pyqx,y,x->pq", magnitude, hann, hann) / hann.sum() ** 2

    def power(down: float, right: float) -> np.ndarray:
        waves = [hann * np.exp(-2j * np.pi * cycles * place) for cycles in (down, right)]
        constant = level * waves[0].sum() * waves[1].sum()
        result: np.ndarray = np.square(np.abs(np.einsum("pyqx,y,x->pq", magnitude, *waves, optimize=True) - constant))
        return result

    shifts = [(a * 3 / PLACE, b * 3 / PLACE) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b]
    around = np.mean([power(frequency[0] + a, frequency[1] + b) for a, b in shifts], axis=0)
    ratio = power(*frequency) / np.maximum(around, 1e-9)
    chance = (1 + ratio / len(shifts)) ** -len(shifts)
    busy = level > 0.1
    here = busy & (chance <= 0.05)
    return float(here.sum() / max(busy.sum(), 1)), enlarged(here, PLACE, size)


def _sign(peak: Peak, share: float) -> Measurement:
    """Of a peak at a frequency of JPEG's grid, in an image where no grid is found."""
    shown = [round(cycles, 4) for cycles in peak.frequency]
    because = (
        f"the image shows signs of resizing: a peak at {shown} cycles a pixel, in {share:.0%} of its blocks. "
        "A JPEG grid too faint to be found has such peaks, too"
    )
    details = {"frequency": shown, "enlarged_by": _factors(peak.frequency)}
    return _measured("resampling", peak, because, details)


def _of_zeros(votes: Votes) -> Measurement:
    """Of zeros that come back more often than a JPEG's blocks do."""
    because = (
        "the image shows signs of resizing: windows with many zero coefficients come back every 4 pixels or more often"
    )
    return _measured("resampling", Peak(float(votes.log10_nfa.min()), (0.25, 0.25)), because, {})


def _finding(name: str, peak: Peak, is_found: bool, where: Float32[np.ndarray, "h w"] | None) -> Measurement:
    whole = name == "resampling"
    shown = [round(cycles, 4) for cycles in peak.frequency]
    if not is_found:
        because = f"no peak of resizing that {'most of the image shares' if whole else 'a part has by itself'}"
        return _measured(name, NO_PEAK, because, {})
    because = f"{'the image' if whole else 'a part by itself'} was resized or rotated: a peak at {shown} cycles a pixel"
    regions = {} if where is None else {"regions": boxes(where > 0)}
    return _measured(
        name, peak, because, {"frequency": shown, "enlarged_by": _factors(peak.frequency)} | regions, where
    )


def _measured(
    name: str, peak: Peak, because: str, details: dict[str, Any], where: Float32[np.ndarray, "h w"] | None = None
) -> Measurement:
    nfa = peak.log10_nfa
    return Measurement(
        name, statistic=abs(nfa), log10_nfa=nfa, because=because, map=where, details=details, limits=LIMITS
    )


def _factors(frequency: tuple[float, float]) -> list[float]:
    """Enlargements that have this peak: it lies at 1 / s or at 1 - 1 / s."""
    largest = max(abs(cycles) for cycles in frequency)
    return sorted({round(1 / largest, 3), round(1 / (1 - largest), 3)}) if 0 < largest < 1 else []
