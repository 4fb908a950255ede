"""Weights as files and in modules: tensors only, every name and shape accounted for."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from oddpixel.errors import CorruptWeights, MissingWeights, UnsafeWeights, WrongArchitecture

NOT_WEIGHTS = {
    b"<": "a web page saved under that name",
    b"version https://git-lfs": "a pointer to a large file, not the file",
}


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors from safetensors, or from a PyTorch file as far as it holds tensors only.

    The reference's checkpoints keep several state dicts; its averaged one is taken.

    Raises: MissingWeights, CorruptWeights, UnsafeWeights.
    """
    if not path.is_file():
        raise MissingWeights(f"no such file: {path}")
    with path.open("rb") as file:
        head = file.read(64)
    for start, reason in NOT_WEIGHTS.items():
        if head.lstrip().lower().startswith(start):
            raise CorruptWeights(f"{path} is {reason}; get the file itself")
    is_safetensors = head[8:9] == b"{"  # after the header's length, whose first byte may be any
    if not is_safetensors and (head[:2] == b"PK" or head[:1] == b"\x80"):
        return _read_pytorch(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CorruptWeights(f"{path} is truncated or not a safetensors file: {error}") from error


def _read_pytorch(path: Path) -> dict[str, Tensor]:
    try:
        with (
            path.open("rb") as file,
            warnings.catch_warnings(),
        ):  # by content: given a path, torch.load goes by its suffix
            warnings.simplefilter("ignore")  # about old pickle protocols; what counts is whether it holds tensors only
            content: Any = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsafeWeights(
            f"{path} is a pickle that holds more than tensors, so loading it could run code; "
            f"ask its author for safetensors"
        ) from error
    except Exception as error:
        raise CorruptWeights(f"{path} is truncated or not a PyTorch file: {error}") from error
    for name in ("ema_model_state_dict", "model_state_dict", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(name), dict):
            content = content[name]
    if not isinstance(content, dict) or not all(isinstance(value, Tensor) for value in content.values()):
        raise UnsafeWeights(f"{path} holds something other than a table of tensors")
    return {name.removeprefix("module."): value for name, value in content.items()}


def load_weights(network: nn.Module, weights: dict[str, Tensor], what: str = "the weights") -> None:
    """Load weights into a module by name; onto the meta device by reference.

    Raises: WrongArchitecture, naming the first differences.
    """
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in weights.items()}
    if wanted != given:
        differences = [f"lacks {name}" for name in sorted(wanted.keys() - given.keys())]
        differences += [f"has {name} besides" for name in sorted(given.keys() - wanted.keys())]
        differences += [
            f"{name} is {given[name]}, wanted {wanted[name]}"
            for name in sorted(wanted.keys() & given.keys())
            if wanted[name] != given[name]
        ]
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        shown = "; ".join(differences[:3])
        raise WrongArchitecture(f"{what} do not fit the architecture: {shown}{more}")
    is_meta = any(value.is_meta for value in network.state_dict().values())
    network.load_state_dict(weights, assign=is_meta)


def check_finite(weights: dict[str, Tensor], what: str) -> None:
    """Refuse weights that are not finite.

    Raises: CorruptWeights, naming the first tensor that holds NaN or infinity.
    """
    for name, value in weights.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise CorruptWeights(f"{name} of {what} holds NaN or infinity; get the file again")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
