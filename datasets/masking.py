"""Where a file holds no value: NaN, infinities, declared nodata or padding. Counted, noted, and kept out of statistics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Shaped

from oddpixel.errors import NoPixels

from .formats import Frame

LARGEST = float(np.finfo(np.float32).max)  # pixels become float32


def without_values_masked(frame: Frame) -> Frame:
    """The frame with NaN, infinities and values beyond float32 masked too, and a note on how many.

    Raises: NoPixels where all of it is masked.
    """
    counts: dict[str, int] = {} if frame.masked is None else {"declared": int(frame.masked.sum())}
    masked = frame.masked
    if frame.stored.dtype.kind == "f":
        not_a_number, beyond = _somewhere(np.isnan(frame.stored)), _somewhere(_beyond_float32(frame.stored))
        infinite = beyond & _somewhere(np.isinf(frame.stored))
        counts |= {"nan": int(not_a_number.sum()), "infinite": int(infinite.sum())}
        counts["beyond float32"] = int((beyond & ~infinite).sum())
        unusable = not_a_number | beyond
        masked = unusable if masked is None else masked | unusable
    if masked is None or not masked.any():
        return replace(frame, masked=None)
    if masked.all():
        raise NoPixels(
            "no pixel holds a value: all are padding, nodata, NaN, infinite, beyond float32 or not in the file"
        )
    count = int(masked.sum())
    reasons = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
    notes = [*frame.meta.get("notes", []), f"{count} of {masked.size} pixels hold no value ({reasons}) and are masked"]
    facts = {
        "masked": {name: number for name, number in counts.items() if number},
        "masked_fraction": round(count / masked.size, 6),
    }
    stored = frame.stored
    if stored.dtype.kind == "f":  # what stands there may not even fit into float32
        stored = np.where(masked if stored.ndim == 2 else masked[..., None], 0, stored)
    return replace(frame, stored=stored, masked=masked, meta=frame.meta | facts | {"notes": notes})


def equal_to(stored: Shaped[np.ndarray, "h w *c"], value: float) -> Bool[np.ndarray, "h w"] | None:
    """Where every channel holds this value, compared in the samples' own type; None where that type cannot hold it."""
    if stored.dtype.kind in "ui" and not (float(value).is_integer() and _holds(stored.dtype, int(value))):
        return None
    with np.errstate(over="ignore"):
        wanted = np.asarray(value).astype(stored.dtype)
    same: np.ndarray = np.isnan(stored) if np.isnan(value) else np.equal(stored, wanted)
    return _everywhere(same)


def _beyond_float32(samples: Shaped[np.ndarray, "h w *c"]) -> Bool[np.ndarray, "h w *c"]:
    result: Bool[np.ndarray, "h w *c"] = np.abs(samples) > LARGEST if samples.dtype.itemsize > 4 else np.isinf(samples)
    return result


def _holds(dtype: np.dtype, value: int) -> bool:
    return bool(np.iinfo(dtype).min <= value <= np.iinfo(dtype).max)


def _somewhere(samples: Bool[np.ndarray, "h w *c"]) -> Bool[np.ndarray, "h w"]:
    """Where any channel is True."""
    return samples if samples.ndim == 2 else np.any(samples, axis=2)


def _everywhere(samples: Bool[np.ndarray, "h w *c"]) -> Bool[np.ndarray, "h w"]:
    """Where every channel is True."""
    return samples if samples.ndim == 2 else np.all(samples, axis=2)
