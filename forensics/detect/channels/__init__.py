"""Channels: each looks at an observation in its own way and says how odd it is. One file each, found by walking this folder.

To add one, write a file with a class `CHANNEL` that follows `Channel`. Scores need a logarithmic scale, not a common one:
`fusion` standardises them. Higher is odder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from oddpixel.discover import discover

from ..observation import Observation

Use = Literal["always", "without encoder", "asked"]
Needs = Literal["picture", "encoder", "density", "probes"]
Arrays = Mapping[str, np.ndarray]
LEAST_DISTANCE = 1e-6
OF_PLACES = 1.0  # reserve of channels that look for the oddest of many places


@dataclass(frozen=True, eq=False)
class Look:
    """What a channel finds in one image.

    Arguments:
        score: how odd, as a logarithm (of a distance, of a probability).
        why: what is odd about it, in words a user can act on.
        heat: how odd by place, on a grid over the image; None for channels that see the whole only.
    """

    score: float
    why: str
    heat: Float[np.ndarray, "_p _q"] | None = None


@runtime_checkable
class Channel(Protocol):
    """One way of being odd. `fit`, then `remember` every normal, then `settle`, then `look`.

    Arguments:
        kind: its name, as in reasons and in `detector.json`.
        needs: the most costly part of an observation that it reads.
        counts: whether it is fused into the score (`fusion`), or only told as a reason.
        use: when a detector has it without being asked for it by name.
        spread: the standard deviation of its score over normals of one kind, as known beforehand.
        reserve: how many deviations it lags behind the others in the score (`fusion`): the oddest of many places is odd.
    """

    kind: ClassVar[str]
    needs: ClassVar[Needs]
    counts: ClassVar[bool]
    use: ClassVar[Use]
    spread: ClassVar[float]
    reserve: ClassVar[float]

    def fit(self, normals: Sequence[Observation], context: Context) -> None:
        """Learn scales and directions from normals that are not calibrated on."""

    def remember(self, normal: Observation, group: str) -> None:
        """Take a normal into memory."""

    def settle(self, normals: Sequence[Observation], groups: Sequence[str]) -> None:
        """Learn what is usual from how the normals of `fit` look to the memory, each without its own group."""

    def look(self, observation: Observation, without: str | None = None) -> Look:
        """How odd, why, and where; to a memory without that group where one is named.

        A normal that is calibrated on is looked at without its own group. For the promise to hold (`calibration`), a score with
        the whole memory must be at most the least score with any one group left out: true of distances to nearest neighbours.
        """

    def add(self, normal: Observation) -> None:
        """Take in one more normal after `settle`. May lower scores, never raise one: that is what keeps an earlier
        calibration valid (`Detector.update`)."""

    def state(self) -> dict[str, np.ndarray]:
        """All that `restore` needs."""

    def restore(self, state: Arrays) -> None:
        """Set what `state` returned, in place of `fit`, `remember` and `settle`."""


class Context:
    """What channels may want to know while they learn.

    Arguments:
        names: of the density vector's entries.
        count: how many normals will be remembered.
        seed: for everything drawn.
    """

    def __init__(self, names: Sequence[str], count: int, *, seed: int = 0) -> None:
        self.names, self.count, self.seed = list(names), count, seed


@cache
def kinds() -> dict[str, type[Any]]:
    """Every channel in this folder by its `kind`."""
    return discover(__name__, "CHANNELS", "kind")


def chosen(has_encoder: bool) -> list[str]:
    """The channels that a detector has where none are named."""
    used = {"always": True, "without encoder": not has_encoder, "asked": False}
    return [name for name, kind in kinds().items() if used[kind.use] and (has_encoder or kind.needs != "encoder")]
