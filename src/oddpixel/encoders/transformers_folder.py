"""Encoders as transformers saves them: DINOv2, DINOv3, ViT, the picture half of CLIP and SigLIP, ConvNeXt, ResNet and the like.

Patches are two blocks of a transformer, two thirds of the way and the last, or the stages of a convolutional network at strides
of about 8 and 16. The whole is the class token, where there is one, beside mean and deviation of the last block. Nothing is
fetched, no code of the folder is run, and only safetensors are read.
"""

from __future__ import annotations

import inspect
import json
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from oddpixel.errors import CorruptWeights, MissingWeights, UsageError, WrongArchitecture

from .configuration import appearance, read_config
from .embedding import Normalised, moments, on_grid, side_by_side

FILES = ("config.json", "preprocessor_config.json", "model.safetensors")
CONVOLUTIONAL_STRIDES = (8, 16)
UNUSED = ("pooler", "head", "mask_token")  # parameters that may be missing: their output is not read


class TransformersEncoder(nn.Module):
    """The picture half of a model of transformers as an encoder.

    Arguments:
        model: `pixel_values [b, 3, h, w]` -> hidden states, tokens or maps.
        normalised: to the mean and deviation that it was trained with.
    """

    def __init__(self, model: nn.Module, normalised: Normalised) -> None:
        super().__init__()
        self.model, self.normalised = model, normalised
        self.patch = int(getattr(model.config, "patch_size", 0) or 0)
        accepted = inspect.signature(model.forward).parameters
        self.options: dict[str, Any] = {"output_hidden_states": True}
        if "interpolate_pos_encoding" in accepted:
            self.options["interpolate_pos_encoding"] = True
        self.has_tokens = self._states(torch.zeros(1, 3, 64, 64))[-1].ndim == 3
        self.stride = self.patch if self.has_tokens else 64 // self._maps(torch.zeros(1, 3, 64, 64))[0].shape[2]

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b d p q"]:
        """Patch embeddings of `x` in 0..1."""
        return side_by_side(self._maps(x))

    def whole(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b e"]:
        """The picture as one vector, from `x` in 0..1."""
        last = self._states(x)[-1]
        if not self.has_tokens:
            return F.normalize(moments(last))
        rows, columns = self._grid(x)
        of_places = F.normalize(moments(on_grid(last, rows, columns)))
        return of_places if last.shape[1] == rows * columns else torch.cat([F.normalize(last[:, 0]), of_places], 1)

    def _maps(self, x: Tensor) -> Sequence[Tensor]:
        states = self._states(x)
        if not self.has_tokens:
            return [_nearest_stride(states, x.shape[2], stride) for stride in CONVOLUTIONAL_STRIDES]
        rows, columns = self._grid(x)
        chosen = (states[round(2 / 3 * (len(states) - 1))], states[-1])
        return [on_grid(F.layer_norm(h, h.shape[-1:]), rows, columns) for h in chosen]

    def _grid(self, x: Tensor) -> tuple[int, int]:
        return max(x.shape[2] // self.patch, 1), max(x.shape[3] // self.patch, 1)

    def _states(self, x: Tensor) -> Sequence[Tensor]:
        if self.patch:
            rows, columns = self._grid(x)
            size = rows * self.patch, columns * self.patch
            x = x if x.shape[2:] == size else F.interpolate(x, size, mode="bilinear", antialias=True)
        output = self.model(pixel_values=self.normalised(x), **self.options)
        states: Sequence[Tensor] = output.hidden_states
        return states


def _nearest_stride(states: Sequence[Tensor], side: int, stride: int) -> Tensor:
    return min(states, key=lambda h: abs(h.shape[2] - side / stride))


def load(folder: Path) -> TransformersEncoder:
    """From a folder with `config.json` and `model.safetensors`.

    Raises: UsageError where transformers is not installed; MissingWeights, CorruptWeights, WrongArchitecture.
    """
    try:
        from transformers import AutoConfig
    except ImportError as error:
        raise UsageError("an encoder of transformers needs it: pip install 'oddpixel[text]'") from error
    read_config(folder)
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise MissingWeights(f"{folder} has no model.safetensors; save the encoder with save_pretrained(folder)")
    try:
        with _quietly():
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            model = _picture_half(folder, config, weights)
        return TransformersEncoder(model.eval(), Normalised(*appearance(folder)))
    except (CorruptWeights, WrongArchitecture):
        raise
    except Exception as error:
        raise WrongArchitecture(f"{folder} holds no encoder of pictures that transformers can load: {error}") from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Without progress bars and warnings about the half of a model that is not used."""
    from transformers.utils import logging

    verbosity, shows = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if shows:
            logging.enable_progress_bar()


def _picture_half(folder: Path, config: Any, weights: Path) -> nn.Module:
    """The model, or of one for pictures and text the half for pictures. Raises: CorruptWeights, WrongArchitecture."""
    from transformers import AutoModel

    with torch.device("meta"):
        needed = sum(each.numel() for each in AutoModel.from_config(config).parameters())
    if needed > 2 * _stored(weights):
        raise CorruptWeights(f"{folder}: config.json describes {needed:,} parameters, the weights have far fewer")
    model, loading = AutoModel.from_pretrained(
        folder, config=config, local_files_only=True, trust_remote_code=False, use_safetensors=True,
        output_loading_info=True, dtype=torch.float32,
    )  # fmt: skip
    half: nn.Module = getattr(model, "vision_model", model)
    prefix = "vision_model." if half is not model else ""
    missing = [name for name in loading["missing_keys"] if name.startswith(prefix)]
    if lacking := [name for name in missing if not any(word in name for word in UNUSED)]:
        raise WrongArchitecture(f"{folder}: model.safetensors lacks {', '.join(sorted(lacking)[:3])}")
    if "pixel_values" not in inspect.signature(half.forward).parameters:
        raise WrongArchitecture(f"{folder} holds a {type(half).__name__}, which looks at no pictures")
    return half


def _stored(weights: Path) -> int:
    """The parameters in a safetensors file, by its header. Raises: CorruptWeights."""
    try:
        with weights.open("rb") as file:
            length = struct.unpack("<Q", file.read(8))[0]
            header = json.loads(file.read(min(length, 2**26)))
        count = 0
        for name, tensor in header.items():
            if name != "__metadata__":
                size = 1
                for side in tensor["shape"]:
                    size *= int(side)
                count += size
        return count
    except (OSError, ValueError, TypeError, KeyError, AttributeError, struct.error) as error:
        raise CorruptWeights(f"{weights} is truncated or not a safetensors file: {error}") from error
