"""DICOM Segmentation (PS3.3 A.51) of the places that the run's rule marks.

Pixel measures (PS3.3 C.7.6.16.2.1) are the source's: highdicom fills in a distance between slices of 1 mm where it knows none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from oddpixel import __version__

from .dicom import MODEL, SCHEME, Source, equipment, software, write_objects
from .exported import Export, Exported

OF_SLICES = ("SpacingBetweenSlices", "SliceThickness")


def write(exported: Exported, path: Path) -> list[str]:
    """Write one segmentation per item with marked regions; the names and reasons of the others."""
    return write_objects(exported, path, _segmentation, "nothing is marked on its map")


def _segmentation(exported: Exported, source: Source, number: int) -> Any | None:
    import highdicom as hd
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    marks = exported.marked(source.row)
    if marks is None or not marks.any():
        return None
    algorithm = hd.AlgorithmIdentificationSequence(
        name=MODEL, version=__version__, family=codes.DCM.ArtificialIntelligence
    )
    described = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="odd",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=Code("odd-place", SCHEME, "Place rarer than normal images allow"),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=source.uid(exported, "tracking"),
        tracking_id=f"odd places of run {exported.run.record['id'][:8]}",
    )
    segmentation = hd.seg.Segmentation(
        source_images=[source.data],
        pixel_array=marks.astype(np.uint8)[None],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[described],
        manufacturer_model_name=MODEL,
        software_versions=software(),
        device_serial_number="none",
        content_description="Not for diagnosis",
        series_description="OddPixel: odd places",
        **equipment(exported, source, "seg", number, 9001),
    )
    _measure_as(segmentation, source.data)
    return segmentation


def _measure_as(segmentation: Any, source: Any) -> None:
    """Distances of slices as the source has them, and none where it has none."""
    groups = [*segmentation.SharedFunctionalGroupsSequence, *segmentation.PerFrameFunctionalGroupsSequence]
    for measures in (item for group in groups for item in group.get("PixelMeasuresSequence") or ()):
        for keyword in OF_SLICES:
            if source.get(keyword) is not None:
                setattr(measures, keyword, source.get(keyword))
            elif keyword in measures:
                delattr(measures, keyword)


EXPORT = Export("seg", "", "DICOM segmentations of marked places", write)
