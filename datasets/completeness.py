"""Missing images of a DICOM series by its own account: gaps in its numbering, and fewer images than it declares.

InstanceNumber may begin anywhere (PS3.3 C.7.6.1.1.1): a gap is a number that lacks between the first and the last that are here.
Only a series that says how many images it has shows that its ends were cut off. A part of a series has gaps too, so this is a
note and never a refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

# PS3.3 C.7.6.1.1.1, C.7.3.1 and C.8.9.4: the first that is there.
PROMISES = ("NumberOfSeriesRelatedInstances", "ImagesInAcquisition", "NumberOfSlices")
MOST_RANGES = 10


def promised(dataset: Any) -> int | None:
    """How many images the whole series has, where a slice of it says so."""
    for keyword in PROMISES:
        try:
            number = int(dataset.get(keyword) or 0)
        except (TypeError, ValueError):
            continue
        if number > 0:
            return number
    return None


def missing(numbers: Sequence[int], total: int | None) -> dict[str, Any]:
    """Facts on what a series lacks, by number and by count; empty for a complete series.

    Arguments:
        numbers: of the slices that are here.
        total: that the series promises.
    """
    notes: dict[str, Any] = {}
    if absent := _ranges(numbers, total):
        shown = [str(first) if first == last else f"{first} to {last}" for first, last in absent[:MOST_RANGES]]
        notes["missing_numbers"] = ", ".join(shown) + (", ..." if len(absent) > MOST_RANGES else "")
    if total is not None and total > len(numbers):
        notes["promised_slices"] = total
    return notes


def _ranges(numbers: Sequence[int], total: int | None) -> list[tuple[int, int]]:
    """Ranges of absent numbers between the first and the last, or between 1 and the total where all lie there.

    None where slices share numbers.
    """
    present = sorted(set(numbers))
    if len(present) < max(len(numbers), 2) or present[0] < 0:
        return []
    if total is not None and present[0] >= 1 and present[-1] <= total:
        present = [0, *present, total + 1]
    return [(low + 1, high - 1) for low, high in pairwise(present) if high - low > 1]
