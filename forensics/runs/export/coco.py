"""COCO: marked places and regions drawn by people as polygons and boxes, so that labelling tools can go on from there.

https://cocodataset.org/#format-data: x right, y down, in pixels of the original. What the run's own rule marks has the category
`odd`; what people drew has the label that they gave it (`region` without one), and who drew it in its `attributes`. A person's
decision about the image stands in the attributes of the image.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from oddpixel import __version__
from oddpixel.errors import NotExported

from ..regions import Region
from ..rows import Row
from .exported import DecidedRow, Export, Exported

FEWEST_POINTS = 3
MARKED = "odd"  # the category of what the rule marks
UNLABELLED = "region"


def write(exported: Exported, path: Path) -> list[str]:
    """Write the COCO JSON; the names and reasons of items that are left out."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    categories = {MARKED: 1}  # by name, of whichever origin: tools know them by it
    left_out: list[str] = []

    def drawn(row: DecidedRow) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        if row.row.width is None:
            raise NotExported("could not be read")
        return _image(row), shapes(exported, row.row)

    for image, outlines in exported.each(drawn, left_out):
        number = len(images) + 1
        images.append({"id": number, **image})
        for shape in outlines:
            _, name = shape.pop("category")
            category = categories.setdefault(name, len(categories) + 1)
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": category, "iscrowd": 0, **shape}
            )
    content = {
        "info": {"description": "OddPixel: places marked as odd, and regions drawn", "version": __version__},
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in categories.items()],
        "images": images,
        "annotations": annotations,
    }
    path.write_text(json.dumps(content, indent=1))
    return left_out


def _image(decided: DecidedRow) -> dict[str, Any]:
    row = decided.row
    attributes = {name: getattr(row, name) for name in ("sha256", "group", "raw", "p_value", "q_value", "flagged")}
    size = {"width": row.width, "height": row.height}
    return {"file_name": row.item, **size, "attributes": attributes | decided.decided}


def shapes(exported: Exported, row: Row) -> list[dict[str, Any]]:
    """The outlines of what the rule marks in an image and of what people drew, as COCO has them.

    `category` is a pair: where it comes from (`rule` or `drawn`), and its name.
    """
    assert row.width is not None
    assert row.height is not None
    drawn = [_of_region(region, (row.width, row.height)) for region in exported.regions(row)]
    return [*polygons(exported.marked(row)), *(shape for shape in drawn if shape["area"])]


def polygons(marks: np.ndarray | None) -> list[dict[str, Any]]:
    """Outlines of marked places, in pixels of the original, with their boxes and areas."""
    if marks is None:
        return []
    annotations = []
    for outline in cv2.findContours(marks.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]:
        if len(outline) < FEWEST_POINTS:
            continue
        x, y, wide, high = cv2.boundingRect(outline)
        annotations.append(
            {
                "category": ("rule", MARKED),
                "segmentation": [outline.ravel().tolist()],
                "bbox": [x, y, wide, high],
                "area": float(cv2.contourArea(outline)),
            }
        )
    return annotations


def _of_region(region: Region, size: tuple[int, int]) -> dict[str, Any]:
    points = np.clip(np.array(region.outline), 0, size)  # what was drawn beyond the image marks nothing
    (left, top), (right, bottom) = points.min(0), points.max(0)
    x, y = points.T
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    return {
        "category": ("drawn", region.label or UNLABELLED),
        "segmentation": [points.ravel().tolist()],
        "bbox": [left, top, right - left, bottom - top],
        "area": float(area),
        "attributes": {"author": region.author, "at": region.at, "kind": region.kind, "region": region.region},
    }


EXPORT = Export("coco", ".json", "Marked places and drawn regions as polygons and boxes", write)
