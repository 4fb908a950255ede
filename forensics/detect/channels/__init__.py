"""Channels: each looks at an observation in its own way and says how odd it is. One file each, found by walking this folder.

To add one, write a file with a class `CHANNEL` that follows `Channel`. A score need not be calibrated or comparable with
others': `fusion` sees to that. Higher is odder.
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

Use = Literal["always", "aligned", "without encoder", "asked"]
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Look:
    """What a channel finds in one image.

    Arguments:
        score: how odd; any scale.
        why: what is odd about it, in words a user can act on.
        heat: how odd by place, on a grid over the image; None for channels that see the whole only.
    """

    score: float
    why: str
    heat: Float[np.ndarray, "_p _q"] | None = None


@runtime_checkable
class Channel(Protocol):
    """One way of being odd.

    Arguments:
        kind: its name, as in reasons and in `detector.json`.
        needs_encoder: whether it reads what the encoder saw.
        needs_probes: whether it reads what probing with noise says (`probes`), which is costly.
        counts: whether it is fused into the score (`fusion`), or only told as a reason.
        use: when a detector has it without being asked for it by name.
    """

    kind: ClassVar[str]
    counts: ClassVar[bool]
    needs_encoder: ClassVar[bool]
    needs_probes: ClassVar[bool]
    use: ClassVar[Use]

    def fit(self, normals: Sequence[Observation], context: Context) -> None:
        """Learn what is normal."""

    def look(self, observation: Observation) -> Look:
        """How odd, why, and where."""

    def add(self, normals: Sequence[Observation]) -> None:
        """Take in more normals without learning anew. May lower scores, never raise one: that is what keeps an earlier
        calibration valid (`Detector.update`)."""

    def state(self) -> dict[str, np.ndarray]:
        """All that `restore` needs."""

    def restore(self, state: Arrays) -> None:
        """Set what `state` returned, in place of `fit`."""


class Context:
    """What channels may want to know while they learn.

    Arguments:
        names: of the density vector's entries.
        aligned: whether the same place shows the same thing in every image (anatomy, fixed cameras).
        seed: for everything drawn.
    """

    def __init__(self, names: Sequence[str], *, aligned: bool = False, seed: int = 0) -> None:
        self.names, self.aligned, self.seed = list(names), aligned, seed


@cache
def kinds() -> dict[str, type[Any]]:
    """Every channel in this folder by its `kind`."""
    return discover(__name__, "CHANNELS", "kind")


def chosen(has_encoder: bool, aligned: bool) -> list[str]:
    """The channels that a detector has where none are named."""
    used = {"always": True, "aligned": aligned, "without encoder": not has_encoder, "asked": False}
    return [name for name, kind in kinds().items() if used[kind.use] and (has_encoder or not kind.needs_encoder)]
