"""The whole image as one vector, by its mean distance to the nearest normals.

Neighbours find more than a Gaussian does (MSMA, Mahmood et al. 2021: 99.2 against 95.9 on CIFAR-10 and SVHN). A raw likelihood
finds what is rough and misses what is smooth; a vector of likelihoods, gaps and log-ratios has no direction built in.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from ..memory import Memory
from ..observation import Observation
from ..whitening import Whitening
from ..words import of_density_entry
from . import LEAST_DISTANCE, Arrays, Context, Look, Needs, Use


class VectorChannel(ABC):
    """Vectors, whitened or as they are, and the memory of normals among them."""

    kind: ClassVar[str]
    needs: ClassVar[Needs]
    whitens: ClassVar[bool]
    counts: ClassVar[bool] = True
    use: ClassVar[Use] = "asked"
    spread: ClassVar[float] = 0.2
    reserve: ClassVar[float] = 0.0
    neighbours: ClassVar[int] = 5

    def __init__(self) -> None:
        self.whitening = Whitening()
        self.memory = Memory()

    @abstractmethod
    def vector(self, observation: Observation) -> np.ndarray:
        """What of the observation it looks at."""

    def fit(self, normals: Sequence[Observation], context: Context) -> None:
        """The whitening."""
        self.whitening.fit(np.stack([self.vector(normal) for normal in normals]).astype(np.float64))

    def remember(self, normal: Observation, group: str) -> None:
        """The vector of a normal."""
        self.memory.append(self._placed(self._row(normal)), group)

    def settle(self, normals: Sequence[Observation], groups: Sequence[str]) -> None:  # noqa: B027 -- a default
        """Nothing more to learn."""

    def look(self, observation: Observation, without: str | None = None) -> Look:
        """The log of the mean distance to the nearest normals; no map."""
        row = self._row(observation)
        distance = self.memory.distance(self._placed(row), self.neighbours, without)[0]
        return Look(float(np.log(distance + LEAST_DISTANCE)), self.why(self.whitening.standardised(row)[0]))

    @abstractmethod
    def why(self, deviations: np.ndarray) -> str:
        """What is odd about a vector, given how far each entry is from normal."""

    def add(self, normal: Observation) -> None:
        """The vector of a normal; the whitening stays."""
        self.memory.append(self._placed(self._row(normal)))

    def state(self) -> dict[str, np.ndarray]:
        """Memory and whitening."""
        return {**self.memory.state(), **self.whitening.state()}

    def restore(self, state: Arrays) -> None:
        """Set memory and whitening."""
        self.memory.restore(dict(state))
        self.whitening.restore(dict(state))

    def _placed(self, vectors: np.ndarray) -> np.ndarray:
        """Where distances are measured."""
        return (self.whitening(vectors) if self.whitens else vectors).astype(np.float32)

    def _row(self, observation: Observation) -> np.ndarray:
        return self.vector(observation).astype(np.float64)[None]


class DensityVector(VectorChannel):
    """The density model's view of the whole image: likelihoods, gaps and log-ratios by scale and level, whitened."""

    kind = "density vector"
    needs = "density"
    whitens = True
    use = "without encoder"

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def vector(self, observation: Observation) -> np.ndarray:
        """The density model's view of the whole image."""
        return observation.vector

    def fit(self, normals: Sequence[Observation], context: Context) -> None:
        """As every vector channel, and keep the names of the entries for `why`."""
        self.names = context.names
        super().fit(normals, context)

    def why(self, deviations: np.ndarray) -> str:
        """Names the entry that deviates most."""
        most = int(np.abs(deviations).argmax())
        return of_density_entry(self.names[most], float(deviations[most]))

    def state(self) -> dict[str, np.ndarray]:
        """Memory, whitening and the names of the entries, as UTF-8."""
        return super().state() | {"names": np.frombuffer("\n".join(self.names).encode(), np.uint8)}

    def restore(self, state: Arrays) -> None:
        """Set memory, whitening and the names of the entries."""
        super().restore(state)
        self.names = state["names"].tobytes().decode().split("\n")


class EncoderVector(VectorChannel):
    """What kind of picture it is, as the encoder sees the whole of it.

    As it is: its directions of much variance are what it was trained to tell apart. Validation kinds of pictures, mean AUROC of
    110 pairs with 24 and 8 normals each: four stages, each at length 1, 0.983 and 0.978; the stages of patches alone 0.968 and
    0.957; whitened less.
    """

    kind = "encoder vector"
    needs = "encoder"
    whitens = False
    use = "always"
    neighbours = 3

    def vector(self, observation: Observation) -> np.ndarray:
        """The encoder's view of the whole picture."""
        assert observation.encoder_whole is not None
        return observation.encoder_whole

    def why(self, deviations: np.ndarray) -> str:
        """One sentence for all deviations: dimensions of an embedding have no names."""
        return "the picture as a whole is unlike the normals"


CHANNELS = (DensityVector, EncoderVector)
