"""Plain baselines on the same encoder and the same normals: scores of whole images, higher is odder.

PatchCore   distance of the oddest patch to the nearest of a coreset (Roth et al. 2022), with a longer side of 320, 512, 768
PaDiM       the largest Mahalanobis distance to a Gaussian of each place (Defard et al. 2021), 60 features drawn at random
neighbours  mean distance of the encoder's mean to the k nearest
Mahalanobis, isolation forest   of the encoder's mean
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import IsolationForest

from oddpixel.forensics.detect.neighbours import mean_distance
from oddpixel.forensics.detect.observation import Observer, at_side
from oddpixel.image import Image

from .pairs import patchcore_bank, patchcore_heat

SIDES = (320, 512, 768)
PADIM_FEATURES = 60
PADIM_RIDGE = 0.01

Patches = np.ndarray
Scores = dict[str, float]


class Baselines:
    """All of them, fitted to normals."""

    def __init__(self, observer: Observer, normals: Sequence[Image], seed: int) -> None:
        self.observer = observer
        seen = {side: [self._patches(image, side) for image in normals] for side in SIDES}
        self.banks = {side: patchcore_bank(patches, seed) for side, patches in seen.items()}
        means = np.stack([patches.mean((0, 1)) for patches in seen[SIDES[0]]])
        gaussian, forest = LedoitWolf().fit(means), IsolationForest(random_state=seed).fit(means)
        self.of_mean: dict[str, Callable[[np.ndarray], np.ndarray]] = {
            "neighbours of the mean, k = 1": lambda mean: mean_distance(mean, means, 1),
            "neighbours of the mean, k = 5": lambda mean: mean_distance(mean, means, 5),
            "Mahalanobis": gaussian.mahalanobis,
            "isolation forest": lambda mean: -forest.score_samples(mean),
        }
        self.padim = _Padim(seen[SIDES[0]], seed)

    def __call__(self, image: Image) -> Scores:
        """Of a prepared image."""
        seen = {side: self._patches(image, side) for side in SIDES}
        scores = {
            f"PatchCore at {side}": float(gaussian_filter(patchcore_heat(patches, self.banks[side]), 1.0).max())
            for side, patches in seen.items()
        }
        mean = seen[SIDES[0]].mean((0, 1))[None]
        scores |= {name: float(score(mean)[0]) for name, score in self.of_mean.items()}
        return scores | {"PaDiM": self.padim(seen[SIDES[0]])}

    @torch.no_grad()
    def _patches(self, image: Image, side: int) -> Patches:
        assert self.observer.encoder is not None
        found = self.observer.encoder(at_side(side, self.observer.picture(image)))
        return np.ascontiguousarray(found[0].permute(1, 2, 0).numpy())


class _Padim:
    def __init__(self, normals: Sequence[Patches], seed: int) -> None:
        generator = np.random.default_rng(seed)
        self.grid = normals[0].shape[:2]
        self.features = generator.permutation(normals[0].shape[2])[:PADIM_FEATURES]
        placed = np.stack([self._placed(patches) for patches in normals])
        self.mean = placed.mean(0)
        centred = placed - self.mean
        covariance = np.einsum("npqi,npqj->pqij", centred, centred) / max(len(normals) - 1, 1)
        self.precision = np.linalg.inv(covariance + PADIM_RIDGE * np.eye(len(self.features)))

    def __call__(self, patches: Patches) -> float:
        away = self._placed(patches) - self.mean
        squared = np.einsum("pqi,pqij,pqj->pq", away, self.precision, away)
        return float(gaussian_filter(np.sqrt(np.maximum(squared, 0)), 1.0).max())

    def _placed(self, patches: Patches) -> Patches:
        """The features drawn, on the grid of the first normal."""
        planes = patches[:, :, self.features]
        return planes if planes.shape[:2] == self.grid else cv2.resize(planes, self.grid[::-1])
