"""Samplers: from noise to an image by a chain of denoising steps, one file each, found by walking this folder.

A sampler is a function of `(predict_noise, schedule, x, num_steps, draw_noise)` that yields x before every step and,
last, the predicted clean image; it knows nothing of networks, so it is tested with any sequence of noise estimates.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache

from jaxtyping import Float
from torch import Tensor

from oddpixel.errors import UsageError

from ..schedules import Schedule

PredictNoise = Callable[[Float[Tensor, "b c h w"], int], Float[Tensor, "b c h w"]]
DrawNoise = Callable[[], Float[Tensor, "b c h w"]]
Sampler = Callable[
    [PredictNoise, Schedule, Float[Tensor, "b c h w"], int, DrawNoise], Iterator[Float[Tensor, "b c h w"]]
]


@cache
def samplers() -> dict[str, Sampler]:
    """Every sampler in this folder by its name; a module says with FLOW which kind of schedule it is for (None: any)."""
    names = (m.name for m in pkgutil.iter_modules(__path__) if m.name != "steps")
    modules = (importlib.import_module(f"{__name__}.{name}") for name in names)
    return {module.NAME: module.sample for module in modules}


def samplers_for(schedule: Schedule) -> list[str]:
    """Names of the samplers that fit the schedule: those for its family, and those for any."""
    flow = schedule.noise == 0
    kinds = {name: importlib.import_module(sample.__module__).FLOW for name, sample in samplers().items()}
    return [name for name, kind in kinds.items() if kind in (None, flow)]


def sampler_for(name: str | None, schedule: Schedule) -> Sampler:
    """The named sampler, or the first that fits. Raises: UsageError."""
    fitting = samplers_for(schedule)
    if name is not None and name not in fitting:
        raise UsageError(f"no sampler {name!r} for a {schedule.kind} schedule; there are {', '.join(fitting)}")
    return samplers()[name or fitting[0]]
