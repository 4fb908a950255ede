"""Patches wherever they lie: each by its distance to the nearest patch of the normals (PatchCore, Roth et al. 2022).

The same for what an encoder sees at a place and for what the density model says of it (likelihood, gap and log-ratios by
scale), both whitened first: with some dozen normals, plain distances between embeddings are nearly all alike (validation
textures with planted defects: image AUROC 0.71 plain, 0.79 whitened). All directions count: in those of least variance lies what
is flat where it should not be, such as missing parts. Every normal gives the same number of patches, drawn at
random: unlike a coreset of all, such a memory can leave any one normal out. The image's score is the mean over its oddest half
percent of patches, at least three: one patch alone is luck.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Float32
from scipy.ndimage import gaussian_filter

from ..memory import Memory
from ..observation import Observation
from ..whitening import Whitening
from . import LEAST_DISTANCE, OF_PLACES, Arrays, Context, Look, Needs, Use

BANK = 8192  # patches
FEWEST, MOST = 8, 512  # of a normal
CANDIDATES = 20_000  # patches that the whitening is learned from
TOP_SHARE, TOP_COUNT = 0.005, 3
BLUR = 0.7  # cells
Patches = Float32[np.ndarray, "_p _q _d"]


class PatchChannel(ABC):
    """A memory of whitened patches of normals; distance to the nearest is the heat."""

    kind: ClassVar[str]
    needs: ClassVar[Needs]
    counts: ClassVar[bool] = True
    use: ClassVar[Use]
    spread: ClassVar[float] = 0.15
    reserve: ClassVar[float] = OF_PLACES
    what: ClassVar[str]

    def __init__(self) -> None:
        self.whitening = Whitening()
        self.memory = Memory()
        self.generator = np.random.default_rng(0)
        self.share = FEWEST
        self.room = BANK // FEWEST  # normals that are still taken in

    @abstractmethod
    def patches(self, observation: Observation) -> Patches:
        """What of the observation it looks at."""

    def fit(self, normals: Sequence[Observation], context: Context) -> None:
        """The whitening, and how many patches of each normal are kept."""
        self.generator = np.random.default_rng(context.seed)
        self.share = min(max(BANK // context.count, FEWEST), MOST)
        most = max(CANDIDATES // len(normals), FEWEST)
        self.whitening.fit(np.concatenate([self._drawn(normal, most) for normal in normals]).astype(np.float64))

    def remember(self, normal: Observation, group: str | None) -> None:
        """Some patches of a normal, as long as there is room."""
        if self.room > 0:
            self.memory.append(self._placed(self._drawn(normal, self.share)), group)
            self.room -= 1

    def settle(self, normals: Sequence[Observation], groups: Sequence[str]) -> None:  # noqa: B027 -- a default
        """Nothing more to learn."""

    def look(self, observation: Observation, without: str | None = None) -> Look:
        """The log of the mean over the oddest places, with the map of distances."""
        patches = self.patches(observation)
        distances = self.memory.distance(self._placed(patches.reshape(-1, patches.shape[2])), 1, without)
        heat = smoothed(distances.reshape(patches.shape[:2]))
        return Look(float(np.log(top(heat) + LEAST_DISTANCE)), f"{self.what} {observation.oddest(heat)}", heat)

    def add(self, normal: Observation) -> None:
        """Some patches of a normal; the whitening stays."""
        self.room = max(self.room, 1)
        self.remember(normal, None)

    def state(self) -> dict[str, np.ndarray]:
        """Memory, whitening, and how many patches a normal gives."""
        return {"share": np.array([self.share]), **self.memory.state(), **self.whitening.state()}

    def restore(self, state: Arrays) -> None:
        """Set memory, whitening, and how many patches a normal gives."""
        self.share = int(state["share"][0])
        self.memory.restore(dict(state))
        self.whitening.restore(dict(state))

    def _drawn(self, observation: Observation, count: int) -> np.ndarray:
        patches = self.patches(observation)
        flat: np.ndarray = patches.reshape(-1, patches.shape[2])
        return flat[self.generator.permutation(len(flat))[:count]]

    def _placed(self, vectors: np.ndarray) -> np.ndarray:
        return self.whitening(vectors.astype(np.float64)).astype(np.float32)


class DensityPatches(PatchChannel):
    """What the density model says of each place."""

    kind = "density patches"
    needs = "density"
    use = "without encoder"
    what = "texture unlike that of normals"

    def patches(self, observation: Observation) -> Patches:
        """The density model's view of each place."""
        assert observation.density_patches is not None
        return observation.density_patches


class EncoderPatches(PatchChannel):
    """What the encoder sees at each place."""

    kind = "encoder patches"
    needs = "encoder"
    use = "always"
    what = "something that normals do not show,"

    def patches(self, observation: Observation) -> Patches:
        """The encoder's embedding of each place."""
        assert observation.encoder_patches is not None
        return observation.encoder_patches


def top(heat: np.ndarray) -> float:
    """The mean of the oddest places."""
    count = min(max(int(TOP_SHARE * heat.size), TOP_COUNT), heat.size)
    return float(np.partition(heat.ravel(), heat.size - count)[-count:].mean())


def smoothed(heat: np.ndarray) -> np.ndarray:
    """The map blurred by a Gaussian."""
    result: np.ndarray = gaussian_filter(heat, BLUR, mode="nearest")
    return result


CHANNELS = (DensityPatches, EncoderPatches)
