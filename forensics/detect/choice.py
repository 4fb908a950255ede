"""Which channels count, and how much: those that together find most of what was planted into the user's own normals.

No one recipe finds most everywhere: places help with anatomy and fixed cameras, a blend of pictures sees smooth blobs on fixtures
and nothing on grass, and a channel that sees nothing only dilutes the others. So kinds of anomalies are planted into the normals
that scales are learned from (never into those that are calibrated on, whose scores the choice therefore cannot favour), and the
channels are fused that find most of the planted at few false alarms, where decisions are made: by the whole ROC curve those win
that rank everything a little better and flag nothing. What sees the picture as a whole always counts: what is of another kind
altogether cannot be planted. For its sake channels of places get as much reserve (`fusion`) as what was planted allows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from oddpixel.datasets.planting import plant
from oddpixel.errors import OddPixelError
from oddpixel.image import Image

from .fusion import fused

KINDS = (
    "scratch", "stain", "missing-part", "bright-blob", "dark-blob", "texture-swap", "streak", "splice", "blur", "noise",
)  # fmt: skip
STRENGTHS, SIZES = (0.4, 0.7, 1.0), (0.5, 1.0, 2.0)
MOST_IMAGES = 8
FALSE_ALARMS = 0.2  # up to which rate what is found counts
LEAST_GAIN = 0.02  # in the share found, for which a channel is left out: below, it may be luck
SHARES = (1.0, 0.5, 0.0)  # of the way from the least reserve of channels of places to the most
ALWAYS = "encoder vector"


def planted(images: Sequence[Image], seed: int) -> Iterator[Image]:
    """Every kind once into each of some images, strengths and sizes in turn; kinds that an image cannot take are passed over."""
    generator = np.random.default_rng(seed)
    drawn = [images[index] for index in np.sort(generator.permutation(len(images))[:MOST_IMAGES])]
    for row, image in enumerate(drawn):
        donor = drawn[(row + 1) % len(drawn)]
        for column, kind in enumerate(KINDS):
            turn = row + column
            try:
                yield plant(
                    kind, image, strength=STRENGTHS[turn % 3], size=SIZES[turn // 3 % 3], seed=int(generator.integers(2**31)),
                    donor=donor,
                ).image  # fmt: skip
            except OddPixelError:
                continue


def best_reserves(
    ranges: Mapping[str, tuple[float, float]],
    normal: Sequence[Mapping[str, float]],
    odd: Sequence[Mapping[str, float]],
) -> dict[str, float]:
    """The channels to fuse, each with its reserve.

    Arguments:
        ranges: least and most reserve of all that may count (`fusion.reserve_range`).
        normal, odd: deviations by channel, of untouched normals and of planted ones, at least one of each.
    """

    def found(kept: Mapping[str, float]) -> float:
        return found_at_few_alarms(*([fused(deviations, kept) for deviations in images] for images in (normal, odd)))

    def between(names: Iterable[str], share: float) -> dict[str, float]:
        return {name: ranges[name][0] + share * (ranges[name][1] - ranges[name][0]) for name in names}

    subsets = [
        between(names, 0.0)
        for count in range(1, len(ranges))
        for names in itertools.combinations(ranges, count)
        if ALWAYS not in ranges or ALWAYS in names
    ]
    everything = between(ranges, 0.0)
    best = max(subsets, key=found, default=everything)
    kept = best if found(best) > found(everything) + LEAST_GAIN else everything
    raised = [between(kept, share) for share in SHARES]
    return next(each for each in raised if found(each) >= found(kept))


def found_at_few_alarms(normal: Sequence[float], odd: Sequence[float]) -> float:
    """The share of odd ones above the most extreme normals, the mean over false-alarm rates up to `FALSE_ALARMS`."""
    count = max(int(np.ceil(FALSE_ALARMS * len(normal))), 1)
    thresholds = np.sort(normal)[::-1][:count]
    return float(np.mean(np.asarray(odd)[:, None] > thresholds))


def auroc(normal: Sequence[float] | np.ndarray, odd: Sequence[float] | np.ndarray) -> float:
    """The area under the ROC curve, by ranks; ties count half."""
    from scipy.stats import rankdata

    ranks = rankdata([*normal, *odd])[len(normal) :]
    return float((ranks.sum() - len(odd) * (len(odd) + 1) / 2) / (len(normal) * len(odd)))
