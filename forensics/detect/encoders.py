"""Encoders by name: the bundled one, or a function of the caller's own."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from torch import nn

from oddpixel.encoder import EFFICIENTNET_LITE0, load_encoder

BUNDLED = Path(str(files("oddpixel.forensics").joinpath("weights", EFFICIENTNET_LITE0, "model.safetensors")))


def encoder_named(name: str) -> nn.Module:
    """The encoder of that name. Raises: UsageError, MissingWeights, CorruptWeights, WrongArchitecture."""
    return load_encoder(name, BUNDLED)
