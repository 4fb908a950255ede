"""Noise schedules: x_k = alpha_k x + sigma_k e, one file each, found by walking this folder.

Index 0 is clean and the last index pure noise, except in flow matching, which runs the other way: every schedule says
which of its indices are `clean` and `noise`.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float64
from torch import Tensor

from oddpixel.discover import discover
from oddpixel.errors import WrongArchitecture


@runtime_checkable
class Schedule(Protocol):
    """alpha_k and sigma_k of every level the classifier tells apart."""

    kind: ClassVar[str]

    @property
    def num_levels(self) -> int:
        """How many levels the classifier has outputs for."""

    @property
    def clean(self) -> int:
        """The index of the image itself."""

    @property
    def noise(self) -> int:
        """The index of pure noise."""

    def alpha_sigma(self) -> tuple[Float64[Tensor, "k"], Float64[Tensor, "k"]]:
        """Tables of alpha_k and sigma_k over all levels, in float64."""


def log_snr(schedule: Schedule) -> Float64[Tensor, "k"]:
    """lambda_k = log(alpha_k^2 / sigma_k^2); infinite at an exactly clean level, minus infinite at pure noise."""
    alpha, sigma = schedule.alpha_sigma()
    return 2 * (torch.log(alpha) - torch.log(sigma))


@cache
def kinds() -> dict[str, type[Any]]:
    """Every schedule in this folder by its `kind`."""
    return discover(__name__, "SCHEDULE", "kind")


def schedule_from(options: dict[str, Any]) -> Schedule:
    """The schedule that `{kind, ...}` describes, as it stands in model.json. Raises: WrongArchitecture."""
    options = dict(options)
    kind = options.pop("kind", None)
    if kind not in kinds():
        raise WrongArchitecture(f"no noise schedule is called {kind!r}; there are {', '.join(sorted(kinds()))}")
    try:
        schedule: Schedule = kinds()[kind](**options)
    except TypeError as error:
        raise WrongArchitecture(f"the noise schedule {kind}: {error}") from error
    return schedule


def describe_schedule(schedule: Any) -> dict[str, Any]:
    """The schedule as `{kind, ...}`, as it stands in model.json."""
    return {"kind": schedule.kind, **asdict(schedule)}
