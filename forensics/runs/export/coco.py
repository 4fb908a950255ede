"""COCO: marked places as polygons and boxes, so that labelling tools can go on from there.

https://cocodataset.org/#format-data: x right, y down, in pixels of the original. What is marked is what the run's own rule
marks; a person's decision about the image stands in its `attributes`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from oddpixel import __version__
from oddpixel.errors import NotExported

from .exported import DecidedRow, Export, Exported

FEWEST_POINTS = 3


def write(exported: Exported, path: Path) -> list[str]:
    """Write the COCO JSON; the names and reasons of items that are left out."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    left_out: list[str] = []

    def drawn(row: DecidedRow) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        if row.row.width is None:
            raise NotExported("could not be read")
        return _image(row), _polygons(exported.marked(row.row))

    for image, shapes in exported.each(drawn, left_out):
        number = len(images) + 1
        images.append({"id": number, **image})
        for shape in shapes:
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": 1, "iscrowd": 0, **shape}
            )
    content = {
        "info": {"description": "OddPixel: places marked as odd", "version": __version__},
        "categories": [{"id": 1, "name": "odd"}],
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


def _polygons(marks: np.ndarray | None) -> list[dict[str, Any]]:
    if marks is None:
        return []
    annotations = []
    for outline in cv2.findContours(marks.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]:
        if len(outline) < FEWEST_POINTS:
            continue
        x, y, wide, high = cv2.boundingRect(outline)
        annotations.append(
            {
                "segmentation": [outline.ravel().tolist()],
                "bbox": [x, y, wide, high],
                "area": float(cv2.contourArea(outline)),
            }
        )
    return annotations


EXPORT = Export("coco", ".json", "Marked places as polygons and boxes", write)
