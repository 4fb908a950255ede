"""Samplers: from noise to an image by a chain of denoising steps, one file each, found by walking this folder.

A sampler is a function of `(predict_noise, schedule, x, num_steps, draw_noise)` that yields x before every step and,
last, the predicted clean image; it knows nothing of networks, so it is tested with any sequence of noise estimates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from jaxtyping import Float
from torch import Tensor

from oddpixel.discover import discover
from oddpixel.errors import UsageError

from ..schedules import Schedule

PredictNoise = Callable[[Float[Tensor, "b c h w"], int], Float[Tensor, "b c h w"]]
DrawNoise = Callable[[], Float[Tensor, "b c h w"]]
Draw = Callable[[PredictNoise, Schedule, Float[Tensor, "b c h w"], int, DrawNoise], Iterator[Float[Tensor, "b c h w"]]]


@dataclass(frozen=True)
class Sampler:
    """A way from noise to an image.

    Arguments:
        is_flow: whether it is for flow matching, for noise schedules (False), or for either (None).
        draw: yields the states, the image last.
    """

    name: str
    is_flow: bool | None
    draw: Draw

    def fits(self, schedule: Schedule) -> bool:
        """Whether it goes with the schedule's family."""
        return self.is_flow in (None, schedule.noise == 0)


@cache
def samplers() -> dict[str, Sampler]:
    """Every sampler in this folder by its name."""
    return discover(__name__, "SAMPLER")


def samplers_for(schedule: Schedule) -> list[str]:
    """Names of the samplers that fit the schedule: those for its family, and those for any."""
    return [name for name, sampler in samplers().items() if sampler.fits(schedule)]


def sampler_for(name: str | None, schedule: Schedule) -> Sampler:
    """The named sampler, or the first that fits. Raises: UsageError."""
    fitting = samplers_for(schedule)
    if name is not None and name not in fitting:
        raise UsageError(f"no sampler {name!r} for a {schedule.kind} schedule; there are {', '.join(fitting)}")
    return samplers()[name or fitting[0]]
