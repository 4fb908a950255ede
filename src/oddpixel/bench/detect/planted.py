"""Planted lesions and defects, and one real defect: what can be seen of them, from which contrast on, and where.

Slices come in blocks a gap apart (few patients: nothing is claimed for patients), textures in strips a gap apart. Every other
block or strip is fitted to; of the pictures of the rest every third is planted in and the others decide, so that what decides
and what is judged differ in nothing but what is planted (dealt by blocks, as they once were, the distance of one block from
those fitted to counted as much as the lesion). Contrast
is the mean change inside the mask in units of local noise (standard deviation of what a Gaussian of one pixel removes,
around the mask), swept at three sizes. PatchCore sees with the same encoder, fitted to the same pictures. Intervals are over
pictures.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter

from oddpixel.bench.intervals import RESAMPLES, interval
from oddpixel.datasets.planting import Planted, plant
from oddpixel.datasets.source import open_source
from oddpixel.forensics.density.store import load_pyramid
from oddpixel.forensics.detect.choice import auroc
from oddpixel.forensics.detect.conformal import p_values
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.encoders import encoder_named
from oddpixel.forensics.detect.observation import Observation, Observer
from oddpixel.forensics.detect.prepare import Preparation
from oddpixel.forensics.runs.heat_map import on_image
from oddpixel.image import Image

from .baselines import Baselines
from .kinds import BLOCK, GAP, grey_of
from .maps import histograms, with_intervals
from .pairs import ENCODER, patchcore_bank, patchcore_heat

STRENGTHS = (0.1, 0.3, 0.5, 0.75, 1.0)
COMPARED = (0.3, 0.5, 1.0)  # with all baselines, at the usual size
SIZES = (0.5, 1.0, 2.0)  # factors on what each kind takes by itself
METHODS = ("ours", "PatchCore")
ALPHA = 0.05
HELD_OUT = 10  # pictures that anomalies are planted in
DECIDING = 20
FITTED = 40
PLANTED = 3  # every so many-th picture that is not fitted to
STRIP, STEP = 120, 28  # pixels
BONE_SLICES = (60, 108)


@dataclass(frozen=True)
class Set:
    """One set of pictures to plant anomalies into.

    Arguments:
        corpus, file: where slices come from (a part of the file's name); `textures` are cut into tiles.
        kinds: what is planted.
    """

    name: str
    corpus: str
    file: str
    kinds: tuple[str, ...]
    aligned: bool


SETS = (
    Set("abdominal CT", "ct-volumes/test", "", ("bright-blob", "dark-blob", "texture-swap", "streak"), True),
    Set("human MR", "brains/test", "ch2bet", ("bright-blob", "dark-blob", "texture-swap", "streak"), True),
    Set("grass", "textures/test", "grass", ("scratch", "stain", "missing-part"), False),
    Set("gravel", "textures/test", "gravel", ("scratch", "stain", "missing-part"), False),
    Set("fixed camera", "street-video/test", "vtest", ("splice", "missing-part", "blur", "scratch"), True),
)


def planted(model: str, seed: int) -> dict[str, list[dict[str, Any]]]:
    """Contrast thresholds and map quality of planted anomalies, and the real defect."""
    observe = Observer(load_pyramid(model), encoder_named(ENCODER))
    headline: list[dict[str, Any]] = []
    maps: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for dataset in SETS:
        rows, map_row, compared = _measured(dataset, observe, seed)
        headline += rows
        images += compared
        maps.append(map_row)
    return {
        "planted: contrast that half are found at, 5 % false alarms": headline,
        "planted: images, AUROC": images,
        "planted: maps": maps,
        "the real defect of the frontal bone": _bone(observe, seed),
    }


def _measured(
    which: Set, observe: Observer, seed: int
) -> tuple[list[dict[str, Any]], dict[str, Any], list[dict[str, Any]]]:
    learning, deciding, held = pictures(which)
    detector = Detector(encoder=ENCODER, aligned=which.aligned, seed=seed)
    detector.observer_ = observe
    prepare = Preparation(unit="display", side=512)
    prepared = [prepare(image) for image in learning]
    learnt = [observe(image) for image in prepared]
    detector.learn(learnt, [image.group for image in learning])
    detector.choose(list(zip(prepared, learnt, strict=True)))
    bank = patchcore_bank(
        [observation.encoder_patches for observation in learnt if observation.encoder_patches is not None], seed
    )
    baselines = Baselines(observe, [prepare(image) for image in learning], seed)
    plain = [baselines(prepare(image)) for image in (*deciding, *held)]
    found: list[dict[str, float]] = []
    ours_found: list[float] = []
    strong: list[bool] = []
    decided = [_both(detector, bank, observe(prepare(image))) for image in deciding]
    normal = [_both(detector, bank, observe(prepare(image))) for image in held]
    # Normals that nothing was fitted to, those that anomalies are planted in among them.
    limits = {
        method: float(np.quantile([result[method][0] for result in decided + normal], 1 - ALPHA)) for method in METHODS
    }
    rows, mapped = [], []
    for kind in which.kinds:
        for size in SIZES:
            print(f"planted: {which.name}, {kind}, {size:g} times as large", file=sys.stderr, flush=True)
            contrasts = np.empty((len(held), len(STRENGTHS)))
            hits = {method: np.empty((len(held), len(STRENGTHS)), bool) for method in METHODS}
            for index, image in enumerate(held):
                for column, strength in enumerate(STRENGTHS):
                    odd = plant(kind, image, strength=strength, size=size, seed=1000 * seed + index,
                                donor=held[(index + 3) % len(held)])  # fmt: skip
                    both = _both(detector, bank, observe(prepare(odd.image)))
                    contrasts[index, column] = contrast(image, odd)
                    for method in METHODS:
                        hits[method][index, column] = both[method][0] > limits[method]
                    if size == 1 and strength in COMPARED:
                        found.append(baselines(prepare(odd.image)))
                        ours_found.append(both["ours"][0])
                        strong.append(strength == STRENGTHS[-1])
                    if strength == STRENGTHS[-1] and size == 1:
                        mapped.append((image.source, odd.mask, {method: both[method][1] for method in both}))
            row: dict[str, Any] = {"set": which.name, "kind": kind, "size": size, "pictures": len(held)}
            for method, hit in hits.items():
                row |= _contrast_row(method, contrasts, hit, seed)
            rows.append(row)
    map_row = _map_row(which.name, decided, normal, mapped, seed)
    normals = [{"ours": each["ours"][0]} | scores for each, scores in zip(decided + normal, plain, strict=True)]
    odd_ones = [{"ours": ours} | scores for ours, scores in zip(ours_found, found, strict=True)]
    return rows, map_row, _compared(which.name, normals, odd_ones, np.array(strong), seed)


def _compared(
    name: str, normals: list[dict[str, float]], odd: list[dict[str, float]], strong: np.ndarray, seed: int
) -> list[dict[str, Any]]:
    """Image AUROC of every method, by how much ours is above it, and the interval of that over pictures."""
    rows = []
    for method in normals[0]:
        ours, theirs = (
            (np.array([each[who] for each in normals]), np.array([each[who] for each in odd]))
            for who in ("ours", method)
        )
        generator = np.random.default_rng(seed)
        gains = []
        for _ in range(RESAMPLES):
            n, o = generator.integers(len(normals), size=len(normals)), generator.integers(len(odd), size=len(odd))
            gains.append(auroc(ours[0][n], ours[1][o]) - auroc(theirs[0][n], theirs[1][o]))
        low, high = np.quantile(gains, (0.025, 0.975))
        rows.append(
            {
                "set": name, "method": method, "normals": len(normals), "odd": len(odd), "AUROC": auroc(*theirs),
                "AUROC, strongest": auroc(theirs[0], theirs[1][strong]),
                "ours above it": auroc(*ours) - auroc(*theirs), "low": float(low), "high": float(high),
            }
        )  # fmt: skip
    return rows


def _contrast_row(method: str, contrasts: np.ndarray, hits: np.ndarray, seed: int) -> dict[str, Any]:
    """The contrast at which a method detects half of the anomalies, with its interval.

    Arguments:
        contrasts, hits: `[pictures, strengths]`, the last at full strength.
    """

    def half(drawn: np.ndarray) -> float:
        return _half_found(contrasts[drawn].ravel(), hits[drawn].ravel())

    low, high = interval(half, len(hits), seed)
    whole = half(np.arange(len(hits)))
    return {
        f"{method}: contrast": whole if np.isfinite(whole) else None,
        f"{method}: low": low if np.isfinite(low) else None,
        f"{method}: high": high if np.isfinite(high) else None,
        f"{method}: found at full strength": float(hits[:, -1].mean()),
    }


Both = dict[str, tuple[float, np.ndarray]]


def _both(detector: Detector, bank: np.ndarray, observation: Observation) -> Both:
    """Score and map of either method."""
    judged = detector.judge_observed(observation)
    assert observation.encoder_patches is not None
    heat = gaussian_filter(patchcore_heat(observation.encoder_patches, bank), 1.0)
    return {
        "ours": (judged.raw, on_image(judged.heat, observation.size)),
        "PatchCore": (float(heat.max()), on_image(heat, observation.size)),
    }


def _map_row(
    name: str,
    decided: list[Both],
    normal: list[Both],
    mapped: list[tuple[str, np.ndarray, dict[str, np.ndarray]]],
    seed: int,
) -> dict[str, Any]:
    row: dict[str, Any] = {"set": name, "maps": len(mapped)}
    for method in METHODS:
        binned = histograms([heats[method] for _, _, heats in mapped], [mask for _, mask, _ in mapped])
        row |= {
            f"{method}: {name}": value
            for name, value in with_intervals(binned, seed, [name for name, _, _ in mapped]).items()
        }
        # The map rule: above the conformal quantile of the calibration pictures' maxima.
        maxima = np.array([result[method][1].max() for result in decided])
        marked = p_values(np.array([result[method][1].max() for result in normal]), maxima) <= max(
            ALPHA, 1 / (len(maxima) + 1)
        )
        row[f"{method}: normals with a mark"] = float(marked.mean())
    return row


def contrast(image: Image, odd: Planted) -> float:
    """The mean change inside the mask, in standard deviations of the noise around it."""
    grey, changed = image.pixels.mean(0), odd.image.pixels.mean(0)
    ring = binary_dilation(odd.mask, iterations=6) & ~odd.mask
    noise = (grey - gaussian_filter(grey, 1.0))[ring if ring.any() else slice(None)].std()
    if not odd.mask.any():
        return 0.0
    return float(np.abs(changed - grey)[odd.mask].mean() / max(noise, image.quantum / 3))


def _half_found(contrasts: np.ndarray, hits: np.ndarray) -> float:
    """The contrast at which a logistic curve through the hits reaches one half.

    Infinite where that is beyond what was planted, 0 where everything is found.
    """
    from sklearn.linear_model import LogisticRegression

    if hits.all() or not hits.any():
        return 0.0 if hits.all() else np.inf
    x = np.log(contrasts + 1e-3)[:, None]
    curve = LogisticRegression(C=10.0).fit(x, hits)
    slope, offset = float(curve.coef_[0, 0]), float(curve.intercept_[0])
    half = float(np.exp(-offset / slope)) if slope > 0 else np.inf
    return half if half <= contrasts.max() else np.inf


def pictures(which: Set) -> tuple[list[Image], list[Image], list[Image]]:
    """To fit, to decide with, and to plant in."""
    cut = next((cut for start, cut in CUTS.items() if which.corpus.startswith(start)), _slices)
    blocks = list(cut(which))
    fitting = [image for image, block in blocks if block % 2 == 0]
    judged = [image for image, block in blocks if block % 2 == 1]
    deciding = [image for index, image in enumerate(judged) if index % PLANTED]
    return _thinned(fitting, FITTED), _thinned(deciding, DECIDING), _thinned(judged[::PLANTED], HELD_OUT)


def _thinned(images: list[Image], at_most: int) -> list[Image]:
    return images[:: max(-(-len(images) // at_most), 1)]


def _slices(which: Set) -> Iterator[tuple[Image, int]]:
    volume = [
        image
        for image in open_source(f"corpus:{which.corpus}")
        if isinstance(image, Image) and which.file in image.source and image.source.endswith(tuple("0123456789"))
    ]
    for index, image in enumerate(volume):
        if 0.2 * len(volume) <= index <= 0.85 * len(volume) and index % (BLOCK + GAP) < BLOCK:
            block = index // (BLOCK + GAP)
            yield as_image(grey_of(image), f"{image.source}", f"block-{block}"), block


def _textures(which: Set) -> Iterator[tuple[Image, int]]:
    """Tiles of vertical strips, overlapping within a strip."""
    for image in open_source(f"corpus:{which.corpus}"):
        if not isinstance(image, Image) or which.file not in image.source:
            continue
        grey = grey_of(image)
        for strip, left in enumerate(range(0, grey.shape[1] - STRIP + 1, STRIP + GAP)):
            for top in range(0, grey.shape[0] - STRIP + 1, STEP):
                tile = grey[top : top + STRIP, left : left + STRIP]
                yield as_image(tile, f"{image.source}/{top}-{left}", f"{top}-{left}"), strip


def _frames(which: Set) -> Iterator[tuple[Image, int]]:
    """Frames at half size, in blocks of a second or so."""
    for index, image in enumerate(open_source(f"corpus:{which.corpus}")):
        if isinstance(image, Image) and index % (BLOCK + GAP) < BLOCK:
            block = index // (BLOCK + GAP)
            grey = cv2.resize(grey_of(image).astype(np.float32), (0, 0), fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            yield as_image(grey, image.source, f"block-{block}"), block


CUTS: dict[str, Callable[[Set], Iterator[tuple[Image, int]]]] = {"textures": _textures, "street-video": _frames}


def as_image(grey: np.ndarray, name: str, group: str) -> Image:
    """Grey levels 0..255 as an image of 8 bits."""
    pixels = (np.rint(grey).clip(0, 255) / 255).astype(np.float32)[None]
    return Image(pixels, 8, "display", None, name, hashlib.sha256(pixels.tobytes()).hexdigest(), group)


def _bone(observe: Observer, seed: int) -> list[dict[str, Any]]:
    """Halves of slices, the right ones mirrored: fitted to the intact side of some blocks, judged on both sides of others."""
    volume = [image for image in open_source("corpus:head-ct/test") if isinstance(image, Image)]
    # The skull's gap: the side with less bone in the affected slices.
    halves = [_halves(grey_of(image)) for image in volume]
    first, last = BONE_SLICES
    bone = np.mean([[np.mean(half > 200) for half in pair] for pair in halves[first:last]], 0)
    affected = int(bone.argmin())
    prepare = Preparation(unit="display", side=512)

    def observed(index: int, side: int) -> Observation:
        return observe(prepare(as_image(halves[index][side], f"{index}-{side}", f"{index}")))

    numbers = [index for index in range(first, last) if index % (BLOCK + GAP) < BLOCK]
    fitted = [index for index in numbers if index // (BLOCK + GAP) % 2 == 0]
    judged = [index for index in numbers if index // (BLOCK + GAP) % 2 == 1]
    learnt = [observed(index, 1 - affected) for index in fitted]
    rows = []
    for aligned in (False, True):
        detector = Detector(encoder=ENCODER, aligned=aligned, seed=seed)
        detector.observer_ = observe
        detector.learn(learnt, [str(index) for index in fitted])
        bank = patchcore_bank(
            [observation.encoder_patches for observation in learnt if observation.encoder_patches is not None], seed
        )
        sides = {
            side: [_both(detector, bank, observed(index, side)) for index in judged]
            for side in (affected, 1 - affected)
        }
        row: dict[str, Any] = {"aligned": aligned, "slices fitted": len(fitted), "slices judged": len(judged)}
        for method in METHODS:
            odd, normal = (np.array([result[method][0] for result in sides[side]]) for side in (affected, 1 - affected))
            row[f"{method}: AUROC"] = auroc(normal, odd)
            low, high = interval(lambda drawn, n=normal, o=odd: auroc(n[drawn], o[drawn]), len(judged), seed)  # type: ignore[misc]
            row |= {f"{method}: low": low, f"{method}: high": high}
            row[f"{method}: affected side odder"] = float((odd > normal).mean())
        rows.append(row)
    return rows


def _halves(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    middle = grey.shape[1] // 2
    left, right = grey[:, :middle], cv2.flip(grey[:, -middle:], 1)
    return left, right
