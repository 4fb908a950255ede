"""What is missing from a DICOM series, by its own account: gaps in its numbering, and fewer images than it promises.

Positions show slices that are missing in the middle (`series`); only these show that its ends were cut off. InstanceNumber counts
from 1 by custom (PS3.3 C.7.6.1.1.1), and a part of a series has gaps too, so this is a note and never a refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# PS3.3 C.7.6.1.1.1, C.7.3.1 and C.8.9.4: the first that is there.
PROMISES = ("NumberOfSeriesRelatedInstances", "ImagesInAcquisition", "NumberOfSlices")
MOST_RANGES = 10


def promised(dataset: Any) -> int | None:
    """How many images the series has as a whole, where a slice of it says so."""
    for keyword in PROMISES:
        try:
            number = int(dataset.get(keyword) or 0)
        except (TypeError, ValueError):
            continue
        if number > 0:
            return number
    return None


def missing(numbers: Sequence[int], total: int | None) -> dict[str, Any]:
    """Notes of what is not here; empty for a complete series.

    Arguments:
        numbers: of the slices that are here.
        total: that the series promises.
    """
    notes: dict[str, Any] = {}
    if absent := _ranges(numbers):
        shown = [str(first) if first == last else f"{first} to {last}" for first, last in absent[:MOST_RANGES]]
        notes["missing_numbers"] = ", ".join(shown) + (", ..." if len(absent) > MOST_RANGES else "")
    if total is not None and total > len(numbers):
        notes["promised_slices"] = total
    return notes


def _ranges(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Between 1 and the largest; none where slices have no numbers of their own."""
    there = sorted(set(numbers))
    if len(there) < max(len(numbers), 2) or there[0] < 0:
        return []
    before = [min(there[0], 1) - 1, *there[:-1]]
    return [(low + 1, high - 1) for low, high in zip(before, there, strict=True) if high - low > 1]
