"""Frozen image encoders: what a picture shows, place by place, in the features of a network trained on other pictures.

    encoder(x [b, 3, h, w] in 0..1) -> patches [b, d, p, q], `encoder.stride` pixels apart (8 where it does not say)
    whole(encoder, x)               -> the picture as one vector [b, e]

    efficientnet-lite0           in the package (`efficientnet`)
    a folder with config.json    as transformers saves it (`transformers_folder`), or timm (`timm_folder`)
    a file NAME.onnx             a graph that gives patches (`onnx_file`)
    package.module:function      a function without arguments that returns a module of the call above

A new kind is one file with a `load`, and one line in `load_encoder`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from oddpixel.devices import device_named
from oddpixel.errors import ModelError, OddPixelError, UsageError, WrongArchitecture

from .embedding import STRIDE, stride_of, whole

__all__ = ["EFFICIENTNET_LITE0", "STRIDE", "is_path", "load_encoder", "stride_of", "whole"]

EFFICIENTNET_LITE0 = "efficientnet-lite0"
TRIED = 64  # pixels a side of the picture that an encoder is tried on


def is_path(name: str) -> bool:
    """Whether an encoder is named by a file or folder (a name with a colon is a function)."""
    return name != EFFICIENTNET_LITE0 and (":" not in name or Path(name).exists())


def load_encoder(name: str, weights: Path, device: str | torch.device = "cpu") -> nn.Module:
    """An encoder in evaluation mode, without gradients, on a device.

    Arguments:
        name: `efficientnet-lite0`, a folder or file, or `package.module:function`.
        weights: safetensors of `EfficientNetLite0`, or the published state dict; not read for other encoders.
        device: by name (`oddpixel.devices`).

    Naming a function runs it: never take such a name from a file of somebody else's. Files and folders run nothing.

    Raises: UsageError, MissingWeights, CorruptWeights, WrongArchitecture.
    """
    on = device_named(str(device))
    encoder = _loaded(name, weights, on).to(on).eval().requires_grad_(False)
    try:
        with torch.no_grad():
            patches = encoder(torch.zeros(1, 3, TRIED, TRIED, device=on))
    except OddPixelError:
        raise
    except Exception as error:
        raise WrongArchitecture(f"the encoder {name} cannot look at a picture: {error}") from error
    if not isinstance(patches, Tensor) or patches.ndim != 4 or len(patches) != 1:
        raise WrongArchitecture(f"the encoder {name} must turn [b, 3, h, w] into [b, d, p, q]")
    if not torch.isfinite(patches).all():
        raise ModelError(f"the encoder {name} gives values that are not finite")
    return encoder


def _loaded(name: str, weights: Path, device: torch.device) -> nn.Module:
    if name == EFFICIENTNET_LITE0:
        from .efficientnet import load_efficientnet

        return load_efficientnet(weights)
    if not is_path(name):
        return _built_by(name)
    path = Path(name)
    if path.is_dir():
        from . import timm_folder, transformers_folder

        return timm_folder.load(path) if timm_folder.is_one(path) else transformers_folder.load(path)
    if path.is_file() and path.suffix.lower() == ".onnx":
        from . import onnx_file

        return onnx_file.load(path, device)
    raise UsageError(
        f"no encoder {name!r}; give {EFFICIENTNET_LITE0}, a folder of transformers or timm, a file NAME.onnx, "
        "or package.module:function"
    )


def _built_by(name: str) -> nn.Module:
    module, _, function = name.partition(":")
    try:
        build: Callable[[], nn.Module] = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"no encoder {name!r}; give {EFFICIENTNET_LITE0} or package.module:function ({error})"
        ) from error
    return build()
