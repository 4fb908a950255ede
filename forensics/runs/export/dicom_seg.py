"""DICOM Segmentation (PS3.3 A.51) of the places that the run's rule marks, and of regions that people drew.

Each region is a segment of its own, MANUAL where a person drew it; segments may overlap.

Pixel measures (PS3.3 C.7.6.16.2.1) are the source's: highdicom fills in a distance between slices of 1 mm where it knows none.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from oddpixel import __version__

from ..regions import Region
from .dicom import MODEL, SCHEME, Source, equipment, software, write_objects
from .dicom_frame import alone, check_place, refer_to_frame
from .exported import Export, Exported

LONGEST_LABEL = 64  # characters of LO and UT as readers show them
OF_SLICES = ("SpacingBetweenSlices", "SliceThickness")


def write(exported: Exported, path: Path) -> list[str]:
    """Write one segmentation per item with marked regions; the names and reasons of the others."""
    return write_objects(
        exported, path, _segmentation, "no map with marked places was kept of it, and nothing was drawn"
    )


def _segmentation(exported: Exported, of: Sequence[Source], number: int) -> Any | None:
    import highdicom as hd

    (source,) = of
    masks, described = [], []
    marks = exported.marked(source.row)
    if marks is not None and marks.any():
        masks.append(marks)
        described.append(_of_rule(exported, source))
    for region in exported.regions(source.row):
        mask = region.mask((source.data.Rows, source.data.Columns))
        if mask.any():
            masks.append(mask)
            described.append(_of_person(source, region, len(masks)))
    if not masks:
        return None
    shown = source.data if source.frame is None else alone(source.data, source.frame)
    check_place(shown)
    segmentation = hd.seg.Segmentation(
        source_images=[shown],
        pixel_array=np.stack(masks, -1).astype(np.uint8)[None],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=described,
        manufacturer_model_name=MODEL,
        software_versions=software(),
        device_serial_number="none",
        content_description="Not for diagnosis",
        series_description="OddPixel: odd places",
        **equipment(exported, of, "seg", number, 9001),
    )
    _measure_as(segmentation, shown)
    if "FrameOfReferenceUID" not in segmentation:
        segmentation.PatientOrientation = shown.get("PatientOrientation", "")  # type 2C: empty where it is not known
    if source.frame is not None:
        refer_to_frame(segmentation, source.data, source.frame)
    return segmentation


def _of_rule(exported: Exported, source: Source) -> Any:
    """The segment of what the run's rule marks, which is the first."""
    import highdicom as hd
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    algorithm = hd.AlgorithmIdentificationSequence(
        name=MODEL, version=__version__, family=codes.DCM.ArtificialIntelligence
    )
    return hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="odd",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=Code("odd-place", SCHEME, "Place rarer than normal images allow"),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=source.uid(exported, "tracking"),
        tracking_id=f"odd places of run {exported.run.record['id'][:8]}",
    )


def _of_person(source: Source, region: Region, number: int) -> Any:
    """The segment of a region that somebody drew."""
    import highdicom as hd
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code
    from pydicom.uid import generate_uid

    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=f"{region.label or 'region'} ({region.author})"[:LONGEST_LABEL],
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=Code("drawn-region", SCHEME, "Region drawn by a reader"),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        tracking_uid=str(generate_uid(entropy_srcs=[region.run, source.row.item, region.region])),
        tracking_id=f"region {region.region}"[:LONGEST_LABEL],
    )


def _measure_as(segmentation: Any, source: Any) -> None:
    """Distances of slices as the source has them, and none where it has none."""
    groups = [*segmentation.SharedFunctionalGroupsSequence, *segmentation.PerFrameFunctionalGroupsSequence]
    for measures in (item for group in groups for item in group.get("PixelMeasuresSequence") or ()):
        for keyword in OF_SLICES:
            if source.get(keyword) is not None:
                setattr(measures, keyword, source.get(keyword))
            elif keyword in measures:
                delattr(measures, keyword)


EXPORT = Export("seg", "", "DICOM segmentations of marked places and drawn regions", write)
