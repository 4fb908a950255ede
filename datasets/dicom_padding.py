"""Padding of DICOM pixels: values that stand where nothing was recorded (PS3.3 C.7.5.1.1.2)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .masking import equal_to


def padding(samples: np.ndarray, dataset: Any) -> np.ndarray | None:
    """Where padding lies (C.7.5.1.1.2); None where nowhere."""
    for keyword in ("FloatPixelPaddingValue", "DoubleFloatPixelPaddingValue"):
        if dataset.get(keyword) is not None:
            return equal_to(samples, float(dataset[keyword].value))
    first = dataset.get("PixelPaddingValue")
    if first is None or samples.dtype.kind == "f":
        return None
    last = dataset.get("PixelPaddingRangeLimit", first)
    try:
        ends = [_in_range(int(value), dataset) for value in (first, last)]
    except (TypeError, ValueError):
        return None
    padded = (samples >= min(ends)) & (samples <= max(ends))
    return padded if padded.any() else None


def _in_range(value: int, dataset: Any) -> int:
    """A padding value as the pixels hold it: its VR (US or SS) may not agree with their sign."""
    bits, is_signed = int(dataset.get("BitsStored", 16) or 16), int(dataset.get("PixelRepresentation", 0) or 0) == 1
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if is_signed else (0, 2**bits - 1)
    if low <= value <= high:
        return value
    value &= 2**bits - 1
    return value - 2**bits if is_signed and value >= 2 ** (bits - 1) else value
