"""Rounding of stored values to float32, the type of pixels, which keeps 24 bits of every value."""

from __future__ import annotations

from .formats import Frame, noted

EXACT = 2**24  # whole numbers up to here
VISIBLE = 1e-3  # of the range of the values


def rounding_noted(frame: Frame) -> Frame:
    """The frame, with a note where values far from zero come closer to each other than float32 can tell."""
    stored = frame.stored if frame.masked is None else frame.stored[~frame.masked]
    if stored.dtype.itemsize <= 2 or (stored.dtype.kind == "f" and stored.dtype.itemsize <= 4):
        return frame
    low, high = stored.min(), stored.max()
    largest = max(abs(float(low)), abs(float(high)))
    if stored.dtype.kind in "ui":
        return noted(frame, ["whole numbers above 2^24 are rounded"] if largest > EXACT else [])
    spread = float(high) - float(low)
    is_visible = spread > 0 and largest / EXACT > VISIBLE * spread
    return noted(
        frame, ["real numbers are rounded to 24 bits, and their differences are hardly larger"] if is_visible else []
    )
