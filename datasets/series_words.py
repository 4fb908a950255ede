"""Sentences on the faults of a DICOM series, from the facts that `series` and `completeness` give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from oddpixel.counting import counted

MOST_RASTERS = 4  # that a sentence names


def series_notes(series: Mapping[str, Any]) -> Iterator[str]:
    """One sentence for each fault of a series; none for a series in order.

    Arguments:
        series: `meta["series"]` of one of its slices.
    """
    if number := series.get("missing_slices"):
        yield f"the series lacks {counted(number, 'slice')} between others, by position"
    if numbers := series.get("missing_numbers"):
        yield f"the series lacks slices by number: {numbers}"
    if promised := series.get("promised_slices"):
        yield f"the series should have {counted(promised, 'slice')}, but has {series['num_slices']}"
    if number := series.get("doubled_positions"):
        yield f"the series has {counted(number, 'position')} with more than one image"
    if number := series.get("shared_instance_uids"):
        yield f"the series has {counted(number, 'image')} with the SOPInstanceUID of another"
    if extremes := series.get("slice_distances_mm"):
        yield f"the series has irregular slice distances, {extremes[0]:g} to {extremes[1]:g} mm"
    if number := series.get("other_orientations"):
        yield f"the series has {counted(number, 'image')} in another orientation"
    if number := series.get("without_position"):
        yield f"the series has {counted(number, 'image')} without a position"
    if rasters := series.get("rasters"):
        yield f"the series has images of different sizes or pixel spacings: {', '.join(rasters[:MOST_RASTERS])}"
    if tilt := series.get("gantry_tilt_deg"):
        yield f"the series has a gantry tilt of {tilt:g} degrees"
