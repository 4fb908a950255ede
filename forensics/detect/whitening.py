"""Robust whitening: medians and median absolute deviations first, then the shrunk covariance of Ledoit and Wolf (2004).

After it, distances count every direction in units of its spread among normals. Entries that an image does not have (NaN: scales
that it is too small for) and entries that never vary become 0, which is nothing unusual.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from sklearn.covariance import LedoitWolf

Vectors = Float[np.ndarray, "_n _d"]
CONSISTENT = 1.4826  # MAD of a normal distribution -> its standard deviation
FARTHEST = 50.0  # deviations; beyond, float32 products lose their smaller terms


class Whitening:
    """`whiten(x)` has about unit covariance over normals."""

    def __init__(self) -> None:
        self.centre = self.scale = np.zeros(0)
        self.root = np.zeros((0, 0))

    def fit(self, normals: Vectors) -> Whitening:
        """Learn centre, scale and whitening matrix from normals, one row each."""
        present = np.isfinite(normals).any(0)
        filled = np.where(present, normals, 0)
        self.centre = np.nanmedian(filled, 0)
        spread = CONSISTENT * np.nanmedian(np.abs(filled - self.centre), 0)
        deviation = np.nanstd(filled, 0)
        # Half of all normals may agree exactly (an empty border): then the MAD says nothing, the deviation does.
        self.scale = np.where(spread > 1e-3 * deviation, spread, deviation)
        known = self.standardised(normals)
        covariance = (
            LedoitWolf(assume_centered=True).fit(known).covariance_ if len(known) > 1 else np.eye(known.shape[1])
        )
        values, vectors = np.linalg.eigh(covariance)
        self.root = vectors / np.sqrt(np.maximum(values, 1e-6 * max(values[-1], 1e-12)))
        return self

    def standardised(self, x: Vectors) -> Vectors:
        """Deviations of each entry by itself."""
        deviations = np.divide(
            x - self.centre, self.scale, out=np.zeros_like(x, dtype=np.float64), where=self.scale > 0
        )
        result: Vectors = np.clip(np.nan_to_num(deviations), -FARTHEST, FARTHEST)
        return result

    def __call__(self, x: Vectors) -> Vectors:
        """Standardise, then decorrelate to about unit covariance."""
        rotated = torch.from_numpy(self.standardised(x)) @ torch.from_numpy(self.root)
        result: Vectors = rotated.numpy()  # by torch, whose threads are those of whoever asks
        return result

    def state(self) -> dict[str, np.ndarray]:
        """Centre, scale and whitening matrix."""
        return {"centre": self.centre, "scale": self.scale, "root": self.root}

    def restore(self, state: dict[str, np.ndarray]) -> Whitening:
        """Set centre, scale and whitening matrix. Raises: ValueError where they do not fit together."""
        sizes = {len(state["centre"]), len(state["scale"]), len(state["root"])}
        if len(sizes) != 1 or (state["scale"] < 0).any() or not state["root"].any():
            raise ValueError("centre, scale and root of its whitening are not of one size, or scale nothing")
        self.centre, self.scale, self.root = state["centre"], state["scale"], state["root"]
        return self
