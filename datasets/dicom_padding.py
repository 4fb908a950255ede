"""Padding of DICOM pixels: values that fill places where nothing was recorded (PS3.3 C.7.5.1.1.2).

The padding value's VR (US or SS) may not agree with the pixels' sign, and it may not fit into the bits stored: then it stands in
the whole cell, and only there. Cut to the bits stored it would be the value of a genuine pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .masking import equal_to


def padding(samples: np.ndarray, dataset: Any, cells: Callable[[], np.ndarray | None]) -> np.ndarray | None:
    """Mask of padding pixels; None where there are none.

    Arguments:
        cells: the samples with all bits allocated, as they are stored; None where they were compressed.
    """
    for keyword in ("FloatPixelPaddingValue", "DoubleFloatPixelPaddingValue"):
        if dataset.get(keyword) is not None:
            return equal_to(samples, float(dataset[keyword].value))
    first = dataset.get("PixelPaddingValue")
    if first is None or samples.dtype.kind == "f":
        return None
    try:
        values = [int(value) for value in (first, dataset.get("PixelPaddingRangeLimit", first))]
    except (TypeError, ValueError):
        return None
    ends = [_as_stored(value, dataset) for value in values]
    if None not in ends:
        return _between(samples, *ends)  # type: ignore[arg-type]
    whole = cells()
    return None if whole is None else _between(whole, *(_as_allocated(value, dataset) for value in values))


def _between(samples: np.ndarray, first: int, last: int) -> np.ndarray | None:
    padded = (samples >= min(first, last)) & (samples <= max(first, last))
    return padded if padded.any() else None


def _as_stored(value: int, dataset: Any) -> int | None:
    """The value as the pixels hold it in the bits stored; None where they cannot."""
    bits, is_signed = int(dataset.get("BitsStored", 16) or 16), _is_signed(dataset)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else (0, 2**bits - 1)
    if low <= value <= high:
        return value
    if is_signed and 0 <= value < 2**bits:
        result: int | None = value - 2**bits
        return result
    allocated = _as_allocated(value, dataset)
    return allocated if low <= allocated <= high else None


def _as_allocated(value: int, dataset: Any) -> int:
    bits = int(dataset.get("BitsAllocated", 16) or 16)
    value &= 2**bits - 1
    return value - 2**bits if _is_signed(dataset) and value >= 2 ** (bits - 1) else value


def _is_signed(dataset: Any) -> bool:
    return int(dataset.get("PixelRepresentation", 0) or 0) == 1
