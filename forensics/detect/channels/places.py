"""Patches at their places: each by its distance to the nearest patch that a normal shows about there, in units of what is usual
there (SPADE, Cohen and Hoshen 2020; PaDiM, Defard et al. 2021).

    heat = ( log distance - usual log distance at this place ) / its deviation

For aligned anatomy, fixed cameras and fixtures, where what is normal in one place is odd in another. It costs nothing where
images are not aligned: then every place is as usual as any other. Neighbours rather than a Gaussian of each place (PaDiM), so
that any one normal can be left out of the memory, and more normals only lower scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Float16
from scipy.ndimage import gaussian_filter
from torch import Tensor

from oddpixel.errors import CalibrationTooSmall

from ..memory import ONE_GROUP
from ..observation import Observation
from ..whitening import Whitening
from . import OF_PLACES, Arrays, Context, Look, Needs, Use
from .patches import CANDIDATES, FEWEST, smoothed, top

MOST_IMAGES = 128
MOST_CELLS = 2400  # of the grid: about 400 pixels a side in cells of 8
REACH = 1  # cells to every side in which a normal may show the same
WIDTH = 2 * REACH + 1
LEAST = 1e-3  # added to distances before their logarithm
TRUST = 4  # normals that must be seen for half of what a place shows to be its own


class PlacePatches:
    """A memory of whitened patches of normals by place."""

    kind: ClassVar[str] = "place patches"
    needs: ClassVar[Needs] = "encoder"
    counts: ClassVar[bool] = True
    use: ClassVar[Use] = "always"
    spread: ClassVar[float] = 0.4
    reserve: ClassVar[float] = OF_PLACES

    def __init__(self) -> None:
        self.whitening = Whitening()
        self.grid = (0, 0)
        self.images: list[Float16[np.ndarray, "p q d"]] = []
        self.groups: list[str | None] = []
        self.usual = self.deviation = np.zeros((0, 0))
        self._stacked: tuple[Tensor, Tensor] | None = None

    def fit(self, normals: Sequence[Observation], context: Context) -> None:
        """The grid, which is the median of the normals', and the whitening."""
        rows, columns = np.median([_patches(normal).shape[:2] for normal in normals], 0)
        factor = min(np.sqrt(MOST_CELLS / (rows * columns)), 1.0)
        self.grid = (max(round(rows * factor), 2), max(round(columns * factor), 2))
        generator = np.random.default_rng(context.seed)
        share = max(CANDIDATES // len(normals), FEWEST)
        vectors = [normal.reshape(-1, normal.shape[2]) for normal in map(_patches, normals)]
        drawn = [each[generator.permutation(len(each))[:share]] for each in vectors]
        self.whitening.fit(np.concatenate(drawn).astype(np.float64))

    def remember(self, normal: Observation, group: str | None) -> None:
        """The patches of a normal on the common grid, as long as there is room."""
        if len(self.images) < MOST_IMAGES:
            self.images.append(self._on_grid(normal).astype(np.float16))
            self.groups.append(group)
            self._stacked = None

    def settle(self, normals: Sequence[Observation], groups: Sequence[str]) -> None:
        """What log distance is usual at each place, and how much it varies: of the place as far as normals are many."""
        logs = np.stack([self._log_distances(normal, group) for normal, group in zip(normals, groups, strict=True)])
        trust = len(logs) / (len(logs) + TRUST)
        self.usual = trust * gaussian_filter(logs.mean(0), 1.0) + (1 - trust) * logs.mean()
        deviation = np.sqrt(gaussian_filter(logs.var(0), 1.0))
        self.deviation = 0.5 * trust * deviation + (1 - 0.5 * trust) * logs.std() + LEAST

    def look(self, observation: Observation, without: str | None = None) -> Look:
        """The mean over the oddest places, in deviations, with the map of all."""
        heat = smoothed((self._log_distances(observation, without) - self.usual) / self.deviation)
        return Look(top(heat), f"something that normals do not show there, {observation.oddest(heat)}", heat)

    def add(self, normal: Observation) -> None:
        """The patches of a normal on the common grid; what is usual stays."""
        self.remember(normal, None)

    def state(self) -> dict[str, np.ndarray]:
        """The memory, what is usual by place, and the whitening."""
        images = np.stack(self.images)
        return {"images": images, "usual": self.usual, "deviation": self.deviation, **self.whitening.state()}

    def restore(self, state: Arrays) -> None:
        """Set the memory, what is usual by place, and the whitening. Raises: ValueError where they do not fit together."""
        images, self.usual, self.deviation = state["images"], state["usual"], state["deviation"]
        if images.ndim != 4 or self.usual.shape != images.shape[1:3] or self.deviation.shape != images.shape[1:3]:
            raise ValueError(f"images of shape {images.shape}, usual distances of shape {self.usual.shape}")
        self.images, self.groups, self.grid = list(images), [None] * len(images), (images.shape[1], images.shape[2])
        self._stacked = None
        self.whitening.restore(dict(state))

    def _on_grid(self, observation: Observation) -> Float[np.ndarray, "p q d"]:
        patches = _patches(observation)
        whitened = self.whitening(patches.reshape(-1, patches.shape[2]).astype(np.float64)).astype(np.float32)
        placed = whitened.reshape(*patches.shape[:2], -1)
        if placed.shape[:2] == self.grid:
            return placed
        planes = [
            cv2.resize(plane, self.grid[::-1], interpolation=cv2.INTER_AREA) for plane in placed.transpose(2, 0, 1)
        ]
        return np.stack(planes, 2)

    def _log_distances(self, observation: Observation, without: str | None) -> Float[np.ndarray, "p q"]:
        """Of each place to the nearest patch within reach of any normal. Raises: CalibrationTooSmall."""
        memory, norms = self._memory()
        left_out = [index for index, group in enumerate(self.groups) if without is not None and group == without]
        if len(left_out) == len(self.groups):
            raise CalibrationTooSmall(ONE_GROUP)
        rows, columns = self.grid
        here = torch.from_numpy(np.ascontiguousarray(self._on_grid(observation), np.float32))
        # The memory, which is large, is read once: each of its places is compared with all that lies within reach of it.
        around = F.pad(here.permute(2, 0, 1), (REACH,) * 4, value=0.0).unfold(1, WIDTH, 1).unfold(2, WIDTH, 1)
        there = around.permute(1, 2, 0, 3, 4).flatten(3)
        squared = norms[..., None] - 2 * torch.matmul(memory, there)
        squared[:, :, left_out] = torch.inf
        squared = squared.amin(2).reshape(rows, columns, WIDTH, WIDTH)
        nearest = torch.full((rows + 2 * REACH, columns + 2 * REACH), torch.inf)
        for down in range(WIDTH):
            for right in range(WIDTH):
                part = nearest[down : down + rows, right : right + columns]
                torch.minimum(part, squared[:, :, down, right], out=part)
        nearest = nearest[REACH:-REACH, REACH:-REACH]
        distances = (nearest + here.square().sum(2)).clamp(min=0).sqrt()
        return np.log(distances.double().numpy() + LEAST)

    def _memory(self) -> tuple[Tensor, Tensor]:
        """Vectors `[p, q, images, d]` and their squared lengths."""
        if self._stacked is None:
            stacked = torch.from_numpy(np.stack(self.images, 2).astype(np.float32))
            self._stacked = stacked, stacked.square().sum(3)
        return self._stacked


def _patches(observation: Observation) -> Float[np.ndarray, "_p _q _d"]:
    assert observation.encoder_patches is not None
    return observation.encoder_patches


CHANNELS = (PlacePatches,)
