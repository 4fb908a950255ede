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
        yield f"{counted(number, 'slice')} missing between others of the series, by position"
    if numbers := series.get("missing_numbers"):
        yield f"missing from the series by number: {numbers}"
    if promised := series.get("promised_slices"):
        yield f"the series should have {counted(promised, 'slice')}, {series['num_slices']} here"
    if number := series.get("doubled_positions"):
        yield f"{counted(number, 'position')} of the series with more than one image"
    if number := series.get("shared_instance_uids"):
        yield f"{counted(number, 'image')} of the series with the SOPInstanceUID of another"
    if extremes := series.get("slice_distances_mm"):
        yield f"irregular slice distances, {extremes[0]:g} to {extremes[1]:g} mm"
    if number := series.get("other_orientations"):
        yield f"{counted(number, 'image')} of the series in another orientation"
    if number := series.get("without_position"):
        yield f"{counted(number, 'image')} of the series without a position"
    if rasters := series.get("rasters"):
        yield f"images of different sizes or pixel distances in the series: {', '.join(rasters[:MOST_RASTERS])}"
    if tilt := series.get("gantry_tilt_deg"):
        yield f"gantry tilt {tilt:g} degrees"
