"""The likelihood of an image under a model, as `oddpixel density` reports it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from oddpixel.border import border, error_row
from oddpixel.errors import InvalidImage, UsageError
from oddpixel.image import Image, Unreadable

from .dequantised import Dequantised
from .haar import EVERYTHING
from .identity import identity_log_likelihood
from .map_picture import write_map
from .pyramid import Pyramid
from .store import DensityModel

TILE = 256  # positions a side: what one pass holds in memory


def measure_source(
    source: Iterable[Image | Unreadable],
    model: DensityModel,
    *,
    identity: bool = False,
    maps: Path | None = None,
    on_item: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """One record an image; one that the model cannot take is a record with its error.

    Arguments:
        maps: a folder for pictures of the maps; each record's `map` is its name there. None is drawn of what may show text.
    """
    items: list[dict[str, Any]] = []

    def item(image: Image | Unreadable) -> dict[str, Any]:
        is_drawn = maps is not None and not (isinstance(image, Image) and image.may_show_text)
        name = f"{str(image.sha256)[:12]}-{len(items)}.png" if is_drawn else None
        map_to = None if maps is None or name is None else maps / name
        found = measure(image, model, identity=identity, map_to=map_to)
        record = {"item": image.source, "sha256": image.sha256, "group": image.group, "error": None, **found}
        return record | {"notes": image.notes} | ({} if name is None else {"map": name})

    for record in border(source, item, error_row):
        items.append(record)
        on_item()
    return items


def measure(
    image: Image | Unreadable, model: DensityModel, *, identity: bool = False, map_to: Path | None = None
) -> dict[str, Any]:
    """`bits_per_dim`, `identity_bits_per_dim` (None unless asked for), `nats`, `dims`, `scales`.

    Arguments:
        map_to: a PNG file for the map of bits by pixel; pyramids only.

    Dequantisation and the identity's noise are seeded by the file's hash, so the figures of a file are its own.

    Raises: InvalidImage, UsageError, or the error of an unreadable image.
    """
    image.pixels  # noqa: B018 -- an unreadable image raises its error here
    generator = torch.Generator().manual_seed(int(str(image.sha256)[:15], 16))
    if isinstance(model, Pyramid):
        return _by_pyramid(image, model, identity, map_to, generator)
    if map_to is not None:
        raise UsageError("only a pyramid has a map of where an image is unlikely; use a model like photo-rgb")
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
    image: Image | Unreadable, model: Pyramid, identity: bool, map_to: Path | None, generator: torch.Generator
) -> dict[str, Any]:
    assert isinstance(image, Image)
    grey = Dequantised(image, model.options.unit, model.options.channels)
    maps = model.stream(grey.read, grey.size, TILE)
    dims = model.scale_dims(grey.size)
    nats = [float(part.double().sum()) for part in maps]
    scales = [
        {"size": list(part.shape[1:]), "dims": count, "bits_per_dim": model.bits_per_dim(each, count, grey.quantum)}
        for part, count, each in zip(maps, dims, nats, strict=True)
    ]
    by_identity = None
    if identity:
        justified = model.identity_log_likelihoods(grey.read(EVERYTHING), generator=generator)[0].sum()
        by_identity = model.bits_per_dim(float(justified), grey.num_dims, grey.quantum)
    if map_to is not None:
        bits = model.bits_per_dim(model.spread_maps(maps, grey.size)[0], len(image.pixels), grey.quantum)
        write_map(map_to, bits)
    return _record(model.bits_per_dim(sum(nats), grey.num_dims, grey.quantum), by_identity, grey.num_dims, scales)


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
