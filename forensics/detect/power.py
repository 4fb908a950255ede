"""What a detector finds and what it misses: anomalies planted into normals that calibrate, and the share of them that is flagged.

A rate of false alarms says nothing of what is found. So every kind of `choice.KINDS` is planted at four strengths into images of
several calibrating groups; each is judged without its own group in the memory, as the group's calibration score was. A normal
group that comes in is exchangeable with those, so the share flagged among the planted estimates the share that would be flagged
of incoming images with that anomaly. The scores are kept, so the share is known at every rate of false alarms. The choice of
channels has seen none of these images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from oddpixel.counting import counted
from oddpixel.datasets.planting import Planted, plant
from oddpixel.errors import OddPixelError
from oddpixel.image import Image
from oddpixel.proportion import exact_interval

from .choice import KINDS

STRENGTHS = (0.25, 0.5, 0.75, 1.0)
SIZES = (0.7, 1.0, 1.4)  # in turn over images
MOST_GROUPS = 8
OFTEN, SELDOM = 0.8, 0.2  # shares from which a kind counts as found, and up to which as missed
CONFIDENCE = 0.95
FEWEST_TRIED = 5  # of a kind and strength, below which nothing is said


@dataclass(frozen=True)
class Measure:
    """What of a planted anomaly makes it easy to see, in words and as a number.

    Arguments:
        plural: the kind, as a subject.
        what: the number, with {} for it.
        of: the number of a planted anomaly in its image.
    """

    plural: str
    what: str
    of: Callable[[Planted], float]


def _per_strength(factor: float) -> Callable[[Planted], float]:
    return lambda planted: factor * planted.strength


def _across(planted: Planted) -> float:
    """The diameter of a disc as large as the mask, in pixels of the original image."""
    scale = planted.image.meta.get("original_size", planted.mask.shape)[0] / planted.mask.shape[0]
    return float(2 * np.sqrt(planted.mask.sum() / np.pi) * scale)


# Contrasts are shares of the image's own range of grey values (1st to 99th percentile).
MEASURES: Mapping[str, Measure] = {
    "scratch": Measure("scratches", "a contrast of {:.0%}", _per_strength(0.6)),
    "stain": Measure("stains", "{:.0%} darker", _per_strength(0.8)),
    "missing-part": Measure("missing parts", "{:.0f} pixels across", _across),
    "bright-blob": Measure("smooth bright blobs", "a contrast of {:.0%}", _per_strength(0.5)),
    "dark-blob": Measure("smooth dark blobs", "a contrast of {:.0%}", _per_strength(0.5)),
    "texture-swap": Measure("swapped textures", "{:.0f} pixels across", _across),
    "streak": Measure("streaks", "a contrast of {:.0%}", _per_strength(0.5)),
    "splice": Measure("parts of another image", "{:.0f} pixels across", _across),
    "blur": Measure("blurred regions", "a sigma of {:.1f} pixels", _per_strength(3.0)),
    "noise": Measure("noisy regions", "a deviation of {:.1%}", _per_strength(0.05)),
}


@dataclass(frozen=True)
class Trial:
    """One planted anomaly and the score of its image.

    Arguments:
        amount: how much of it there is (`MEASURES`).
        group: of the normal that it was planted into.
    """

    kind: str
    strength: float
    amount: float
    group: str
    raw: float


@dataclass(frozen=True)
class Found:
    """How many of one kind and strength are flagged.

    Arguments:
        amount: the median.
        low, high: of the share, with 95 % confidence (Clopper and Pearson).
    """

    kind: str
    strength: float
    amount: float
    found: int
    tried: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Of the planted that is flagged."""
        return self.found / self.tried

    @property
    def measured(self) -> str:
        """The amount in words."""
        return MEASURES[self.kind].what.format(self.amount)


@dataclass(frozen=True)
class Power:
    """The trials of a detector."""

    trials: tuple[Trial, ...]

    def at(self, threshold: float) -> tuple[Found, ...]:
        """What is found where scores above a threshold are flagged, by kind and strength."""
        cells: dict[tuple[str, float], list[Trial]] = {}
        for trial in self.trials:
            cells.setdefault((trial.kind, trial.strength), []).append(trial)
        return tuple(
            _found(kind, strength, cells[kind, strength], threshold) for kind, strength in sorted(cells, key=_order)
        )

    def table(self) -> Any:
        """As a pandas DataFrame, one row a trial."""
        import pandas as pd

        columns = ("kind", "strength", "amount", "group", "raw")
        return pd.DataFrame([[getattr(trial, name) for name in columns] for trial in self.trials], columns=columns)

    @classmethod
    def from_table(cls, table: Any) -> Power:
        """Inverse of `table`. Raises: KeyError, ValueError."""
        rows = table.to_dict("records")
        trials = [
            Trial(str(row["kind"]), float(row["strength"]), float(row["amount"]), str(row["group"]), float(row["raw"]))
            for row in rows
        ]
        if not np.isfinite([[trial.strength, trial.amount, trial.raw] for trial in trials]).all():
            raise ValueError("planted anomalies with amounts or scores that are not finite")
        if unknown := {trial.kind for trial in trials} - set(MEASURES):
            raise ValueError(f"planted anomalies of unknown kinds: {', '.join(sorted(unknown))}")
        return cls(tuple(trials))


def rungs(images: Sequence[Image], seed: int) -> Iterator[Planted]:
    """Every kind at every strength, planted into one image each of at most `MOST_GROUPS` groups; a kind that an image cannot take
    is passed over."""
    generator = np.random.default_rng(seed)
    by_group: dict[str, Image] = {}
    for index in generator.permutation(len(images)):
        by_group.setdefault(images[index].group, images[index])
    drawn = list(by_group.values())[:MOST_GROUPS]
    for row, image in enumerate(drawn):
        donor = drawn[(row + 1) % len(drawn)]
        for column, kind in enumerate(KINDS):
            seed_of_kind, size = int(generator.integers(2**31)), SIZES[(row + column) % len(SIZES)]
            for strength in STRENGTHS:
                try:
                    yield plant(kind, image, strength=strength, size=size, seed=seed_of_kind, donor=donor)
                except OddPixelError:
                    continue


def trial(planted: Planted, raw: float) -> Trial:
    """What becomes of a planted anomaly whose image has that score."""
    return Trial(planted.kind, planted.strength, MEASURES[planted.kind].of(planted), planted.image.group, raw)


def in_words(found: Sequence[Found]) -> str:
    """What is found and from how much on, and what is not: one sentence of at most three parts.

    `found`: in order of kinds and strengths, as `Power.at` gives it.
    """
    tried = max((each.tried for each in found), default=0)
    if tried < FEWEST_TRIED:
        groups = counted(tried, "calibrating group")
        return f"this cannot be said: anomalies were planted into {groups} only, fewer than {FEWEST_TRIED}"
    seen, partly, missed = [], [], []
    for kind in dict.fromkeys(each.kind for each in found):
        ladder = [each for each in found if each.kind == kind]
        plural, most = MEASURES[kind].plural, ladder[-1]
        enough = _from(ladder)
        if enough is not None:
            seen.append(f"{plural} from {enough.measured}")
        elif most.share <= SELDOM:
            missed.append(f"{plural} up to {most.measured}")
        else:
            partly.append(f"{plural} ({most.found} of {most.tried} at {most.measured})")
    parts = [
        (f"{OFTEN:.0%} or more of", seen),
        ("less of", partly),
        ("seldom or never", missed),
    ]
    said = "; ".join(f"{head} {', '.join(names)}" for head, names in parts if names)
    return f"{said} (tried by planting {tried} of each into normals; contrasts are shares of the image's own range of greys)"


def as_json(found: Sequence[Found]) -> dict[str, Any]:
    """`text`, and `cells` by kind and strength."""
    return {"text": in_words(found), "cells": [{**asdict(each), "measured": each.measured} for each in found]}


def _from(ladder: Sequence[Found]) -> Found | None:
    """The least of a kind from which on enough is found."""
    least = None
    for each in reversed(ladder):
        if each.share < OFTEN:
            break
        least = each
    return least


def _found(kind: str, strength: float, trials: Sequence[Trial], threshold: float) -> Found:
    count, found = len(trials), sum(each.raw > threshold for each in trials)
    low, high = exact_interval(found, count, CONFIDENCE)
    amount = float(np.median([each.amount for each in trials]))
    return Found(kind, strength, amount, found, count, low, high)


def _order(cell: tuple[str, float]) -> tuple[int, float]:
    kind, strength = cell
    return list(MEASURES).index(kind), strength
