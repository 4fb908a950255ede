"""Where networks run: a device by name, checked before anything is loaded onto it."""

from __future__ import annotations

import torch

from oddpixel.errors import UsageError


def device_named(name: str) -> torch.device:
    """`cpu`, `cuda`, `cuda:1`, `mps`, or `auto` for the first accelerator that is there, else the processor.

    Raises: UsageError, naming what there is.
    """
    there = [
        "cpu",
        *(f"cuda:{index}" for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)),
    ]
    there += ["mps"] if torch.backends.mps.is_available() else []
    if name == "auto":
        return torch.device(there[1] if len(there) > 1 else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"no device {name!r} here; there is {', '.join(there)}") from error
    if str(device) not in there and not (str(device) == "cuda" and "cuda:0" in there):
        raise UsageError(f"no device {name!r} here; there is {', '.join(there)}")
    return device
