"""The likelihood of an image under a model, as `oddpixel density` reports it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from oddpixel.errors import InvalidImage, OddPixelError, describe
from oddpixel.image import Image, Unreadable

from .identity import identity_log_likelihood
from .pyramid import Pyramid
from .store import DensityModel

TILE = 512  # positions a side: what one pass holds in memory


def measure_source(
    source: Iterable[Image | Unreadable],
    model: DensityModel,
    *,
    identity: bool = False,
    on_item: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """One record an image; one that the model cannot take is a record with its error."""
    items = []
    for image in source:
        common = {"item": image.source, "sha256": image.sha256}
        try:
            items.append({**common, "error": None, **measure(image, model, identity=identity)})
        except OddPixelError as error:
            items.append({**common, "error": describe(error)})
        on_item()
    return items


def measure(image: Image | Unreadable, model: DensityModel, *, identity: bool = False) -> dict[str, Any]:
    """`bits_per_dim`, `identity_bits_per_dim` (None unless asked for), `nats`, `dims`, `scales`.

    Dequantisation and the identity's noise are seeded by the file's hash, so the figures of a file are its own.

    Raises: InvalidImage, or the error of an unreadable image.
    """
    generator = torch.Generator().manual_seed(int(str(image.sha256)[:15], 16))
    if isinstance(model, Pyramid):
        return _by_pyramid(image, model, identity, generator)
    values = stored_values(image, model.quanta.bits)
    device = model.alpha.device
    x = model.quanta.to_model(values[None], generator).to(device)
    with torch.no_grad():
        nats = model.log_likelihood(x)
    dims = values.numel()
    bits = float(model.quanta.bits_per_dim(nats, dims))
    by_identity = None
    if identity:
        by_identity = float(model.quanta.bits_per_dim(identity_log_likelihood(model, x, generator=generator), dims))
    scales = [{"size": list(values.shape[1:]), "bits_per_dim": bits}]
    return _record(bits, by_identity, dims, scales)


def _by_pyramid(
    image: Image | Unreadable, model: Pyramid, identity: bool, generator: torch.Generator
) -> dict[str, Any]:
    values = stored_values(image, image.bits)
    quantum = 255 / (2**image.bits - 1)  # grey levels on the model's scale of 0..255
    x = ((values + torch.rand(values.shape, generator=generator)) * quantum)[None].float()
    terms = model.scale_log_likelihoods(x, tile=TILE)[0]
    dims = values.numel()
    scales = [
        {"size": list(scale.judged.shape[2:]), "dims": scale.num_dims, "bits_per_dim": float(bits)}
        for scale, nats in zip(model.split(x), terms, strict=True)
        for bits in [model.bits_per_dim(nats, scale.num_dims, quantum)]
    ]
    by_identity = None
    if identity:
        justified = model.identity_log_likelihoods(x, generator=generator)[0].sum()
        by_identity = float(model.bits_per_dim(justified, dims, quantum))
    return _record(float(model.bits_per_dim(terms.sum(), dims, quantum)), by_identity, dims, scales)


def _record(bits: float, by_identity: float | None, dims: int, scales: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "bits_per_dim": bits,
        "identity_bits_per_dim": by_identity,
        "nats": -bits * dims * float(np.log(2)),
        "dims": dims,
        "scales": scales,
    }


def stored_values(image: Image | Unreadable, bits: int) -> Tensor:
    """The whole numbers that the file stores, `[c, h, w]`. Raises: InvalidImage."""
    pixels = image.pixels
    if not np.isfinite(pixels).all():
        raise InvalidImage("the image holds NaN or infinite values; mask or replace them first")
    if image.unit != "display" or image.bits != bits:
        raise InvalidImage(f"this model takes {bits}-bit display images, got {image.bits} bits in unit {image.unit}")
    return torch.from_numpy(np.rint(pixels * (2**bits - 1)).astype(np.int64))
