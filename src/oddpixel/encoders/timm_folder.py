"""Encoders as timm saves them (`save_for_hf`): `config.json` names the architecture, beside `model.safetensors`.

Patches are two blocks of a transformer, two thirds of the way and the last, or the stages of a convolutional network nearest to
strides of 8 and 16.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from oddpixel.errors import CorruptWeights, UsageError, WrongArchitecture
from oddpixel.weights import load_weights, read_weights

from .configuration import CONFIG, IMAGENET_DEVIATION, IMAGENET_MEAN, read_config
from .embedding import Normalised, Tiled, side_by_side

FILES = ("config.json", "model.safetensors")
STRIDES = (8, 16)
# Arguments of timm that would fetch or unpickle a file.
REFUSED = ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir", "file", "url")


class TimmEncoder(nn.Module):
    """A model of timm as an encoder.

    Arguments:
        model: with `forward_intermediates`.
        normalised: to the mean and deviation that it was trained with.
        side: pixels of the picture that its stages are found with.
    """

    def __init__(self, model: nn.Module, normalised: Normalised, side: int = 64) -> None:
        super().__init__()
        self.model, self.normalised = model, normalised
        self.intermediates: Callable[..., Sequence[Tensor]] = getattr(model, "forward_intermediates")  # noqa: B009 -- not typed
        with torch.no_grad():
            sizes = [h.shape[2] for h in self._intermediates(torch.zeros(1, 3, side, side), None)]
        if len(set(sizes)) == 1:
            self.blocks = [round(2 / 3 * len(sizes)) - 1, len(sizes) - 1]
        else:
            nearest = (min(range(len(sizes)), key=lambda k: abs(sizes[k] - side / stride)) for stride in STRIDES)
            self.blocks = sorted(set(nearest))
        self.stride = side // sizes[self.blocks[0]]

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d p q"]:
        """Patch embeddings of `x` in 0..1."""
        multiple = [max(length // 32, 1) * 32 for length in x.shape[2:]]
        if tuple(multiple) != tuple(x.shape[2:]):
            x = nn.functional.interpolate(x, multiple, mode="bilinear", antialias=True)
        return side_by_side(self._intermediates(x, self.blocks))

    def _intermediates(self, x: Tensor, blocks: list[int] | None) -> Sequence[Tensor]:
        return self.intermediates(
            self.normalised(x), indices=blocks, norm=False, output_fmt="NCHW", intermediates_only=True
        )


def is_one(folder: Path) -> bool:
    """Whether the folder's configuration is timm's. Errors are left to whoever loads it."""
    try:
        return "architecture" in json.loads((folder / CONFIG).read_text())
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def load(folder: Path) -> nn.Module:
    """From a folder as timm saves it.

    Raises: UsageError where timm is not installed; MissingWeights, CorruptWeights, WrongArchitecture.
    """
    try:
        import timm
    except (ImportError, RuntimeError) as error:
        raise UsageError(f"an encoder of timm needs it: pip install timm ({error})") from error
    config = read_config(folder)
    arguments: dict[str, Any] = dict(config.get("model_args") or {})
    if refused := sorted({*arguments} & {*REFUSED}):
        raise CorruptWeights(f"{folder / CONFIG}: model_args name {', '.join(refused)}, which an encoder does not need")
    architecture = str(config["architecture"])
    if not timm.is_model(architecture):
        raise WrongArchitecture(f"{folder / CONFIG}: this timm knows no {architecture!r}")
    if "num_classes" in config:
        arguments.setdefault("num_classes", int(config["num_classes"]))
    said: dict[str, Any] = config.get("pretrained_cfg") or {}
    normalised = Normalised(said.get("mean", IMAGENET_MEAN), said.get("std", IMAGENET_DEVIATION))
    state = {name: value.float() for name, value in read_weights(folder / "model.safetensors").items()}
    try:
        model = timm.create_model(architecture, pretrained=False, dynamic_img_size=True, **arguments)
    except TypeError:  # takes one size, or any
        model = timm.create_model(architecture, pretrained=False, **arguments)
    load_weights(model, state, f"{folder}: model.safetensors")
    model.eval()
    try:
        return TimmEncoder(model, normalised)
    except (AssertionError, RuntimeError):
        size = int((said.get("input_size") or (3, 224, 224))[-1])
        return Tiled(TimmEncoder(model, normalised, size).eval(), size)
    except AttributeError as error:
        raise WrongArchitecture(f"{folder}: {architecture} does not give its blocks: {error}") from error
