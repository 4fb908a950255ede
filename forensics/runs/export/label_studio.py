"""Label Studio: tasks with what the run marks as predictions, so that people correct it there. What they decided here is an
annotation: of the image, since nobody drew its marks.

https://labelstud.io/guide/predictions: coordinates in percent of the original's sides. The project's labelling configuration has
`<Image name="image" value="$image"/>`, `<PolygonLabels name="odd" toName="image">` with a `<Label value="odd"/>`, and
`<Choices name="decision" toName="image">` with `odd`, `normal` and `unsure`. `image` is the item's name: put the place that Label
Studio serves the images from in front of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from oddpixel import __version__
from oddpixel.errors import NotExported

from .coco import polygons
from .exported import DecidedRow, Export, Exported

MODEL = f"oddpixel {__version__}"


def write(exported: Exported, path: Path) -> list[str]:
    """Write the JSON that Label Studio imports; the names and reasons of items that are left out."""
    left_out: list[str] = []
    path.write_text(json.dumps(list(exported.each(lambda decided: _task(exported, decided), left_out)), indent=1))
    return left_out


def _task(exported: Exported, decided: DecidedRow) -> dict[str, Any]:
    row = decided.row
    if row.width is None or row.height is None:
        raise NotExported("could not be read")
    marks = [_polygon(shape["segmentation"][0], row.width, row.height) for shape in polygons(exported.marked(row))]
    facts = {name: getattr(row, name) for name in ("sha256", "group", "raw", "p_value", "q_value", "flagged")}
    predicted = {"model_version": MODEL, "result": [*marks, _choice("odd" if row.flagged else "normal")]}
    task = {"data": {"image": row.item}, "meta": facts, "predictions": [predicted]}
    if decided.decision is None:
        return task
    return task | {"annotations": [{"result": [_choice(decided.decision)]}], "meta": facts | decided.decided}


def _polygon(outline: list[int], width: int, height: int) -> dict[str, Any]:
    points = [[100 * x / width, 100 * y / height] for x, y in zip(outline[::2], outline[1::2], strict=True)]
    return {
        "type": "polygonlabels", "from_name": "odd", "to_name": "image", "original_width": width,
        "original_height": height, "image_rotation": 0, "value": {"points": points, "polygonlabels": ["odd"]},
    }  # fmt: skip


def _choice(decision: str) -> dict[str, Any]:
    return {"type": "choices", "from_name": "decision", "to_name": "image", "value": {"choices": [decision]}}


EXPORT = Export("label-studio", ".json", "Marked places and decisions as tasks that Label Studio imports", write)
