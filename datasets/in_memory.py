"""Images that a caller holds: arrays and Pillow images, as `Image`. Anything ambiguous is refused with the reason."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from oddpixel.errors import NoPixels, UnreadableInput, UsageError
from oddpixel.image import Image

from .formats import Frame
from .masking import without_values_masked
from .pillow_samples import frame_from_pillow


def in_memory(item: Any, index: int) -> Image:
    """Convert an array or a Pillow image to an `Image`.

    Arguments:
        item: `[h, w]` or `[h, w, 1 or 3]` of uint8, uint16 or floats in 0..1 (NaN: nothing there), or a Pillow image of any mode.
        index: its place among others, for its name.

    Raises: UsageError.
    """
    frame = _of_pillow(item, index) if _is_pillow(item) else _of_array(np.asarray(item), index)
    try:
        frame = without_values_masked(frame)
    except NoPixels as error:
        raise UsageError(f"image {index}: {error}") from error
    pixels = np.empty(frame.shape, np.float32)
    frame.write(pixels)
    digest = hashlib.sha256(np.ascontiguousarray(frame.stored).data).hexdigest()
    name, valid = f"array-{index}", None if frame.masked is None else ~frame.masked
    return Image(pixels, frame.bits, frame.unit, None, name, digest, name, frame.meta, valid)


def _is_pillow(item: Any) -> bool:
    from PIL import Image as Pillow

    return isinstance(item, Pillow.Image)


def _of_pillow(picture: Any, index: int) -> Frame:
    try:
        return frame_from_pillow(picture)
    except (UnreadableInput, OSError) as error:
        raise UsageError(f"image {index}: {error}") from error


def _of_array(array: np.ndarray, index: int) -> Frame:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3)):
        raise UsageError(f"image {index} has shape {array.shape}; give [h, w] or [h, w, 1 or 3]")
    stored = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        bits = 8 * array.dtype.itemsize
        return Frame(stored=stored, scale=1 / (2**bits - 1), bits=bits, unit="display")
    if array.dtype.kind == "f":
        real = array[np.isfinite(array)]
        if real.size and (real.min() < 0 or real.max() > 1):
            raise UsageError(
                f"image {index} has values from {real.min():g} to {real.max():g}; floating-point values must lie in 0..1"
            )
        return Frame(stored=stored, scale=1.0, bits=8, unit="display")
    raise UsageError(
        f"image {index} has type {array.dtype}, which does not define black and white; give uint8, uint16 or floats in 0..1"
    )
