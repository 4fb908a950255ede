"""FiftyOne: a folder that it opens as a data set, with p-values, reasons, decisions, marked places and drawn regions as fields.

https://docs.voxel51.com/user_guide/import_datasets.html: `LegacyFiftyOneDataset`, the form whose samples need nothing of
FiftyOne's own database; points in shares of the original's width and height. Files are named as the run has them, so they are
found from the folder that was flagged:

    fiftyone.Dataset.from_dir("marks", dataset_type=fiftyone.types.LegacyFiftyOneDataset, rel_dir="FOLDER THAT WAS FLAGGED")
"""

from __future__ import annotations

import json
import mimetypes
from pathlib import Path
from typing import Any

from oddpixel import __version__
from oddpixel.errors import NotExported
from oddpixel.image import file_and_frame

from .coco import shapes
from .exported import DecidedRow, Export, Exported

NUMBERS = ("raw", "p_value", "q_value", "flagged", "group", "sha256", "stratum")


def write(exported: Exported, path: Path) -> list[str]:
    """Write the folder; the names and reasons of items that are left out."""
    left_out: list[str] = []
    samples = list(exported.each(lambda decided: _sample(exported, decided), left_out))
    path.mkdir()
    (path / "samples.json").write_text(json.dumps({"samples": samples}, indent=1))
    record = exported.run.record
    info = {"oddpixel": __version__, "run": record["id"], "decision": record.get("decision")}
    (path / "metadata.json").write_text(json.dumps({"media_type": "image", "info": info}, indent=1))
    return left_out


def _sample(exported: Exported, decided: DecidedRow) -> dict[str, Any]:
    row = decided.row
    if row.width is None or row.height is None:
        raise NotExported("could not be read")
    if file_and_frame(row.item)[1] is not None:
        raise NotExported("is a frame of a file, and FiftyOne's samples are files")
    if not (mimetypes.guess_type(row.item)[0] or "").startswith("image/"):
        raise NotExported("is no picture of a kind that FiftyOne shows, by its suffix")
    scale = (row.width, row.height)
    outlines = [_polyline(shape, scale) for shape in shapes(exported, row)]
    sample = {
        "filepath": row.item,
        "tags": ["flagged"] if row.flagged else [],
        **{name: getattr(row, name) for name in NUMBERS},
        "because": None if row.reason is None else row.reason.because,
        "marks": {"_cls": "Polylines", "polylines": outlines},
    }
    if decided.decision is None:
        return sample
    said = {name: decided.decided[name] for name in ("author", "decided_at", "note")}
    return sample | {"decision": {"_cls": "Classification", "label": decided.decision, "tags": [], **said}}


def _polyline(shape: dict[str, Any], scale: tuple[int, int]) -> dict[str, Any]:
    outline = shape["segmentation"][0]
    points = [[x / scale[0], y / scale[1]] for x, y in zip(outline[::2], outline[1::2], strict=True)]
    origin, label = shape["category"]
    return {
        "_cls": "Polyline", "label": label, "tags": [origin], "attributes": {}, "points": [points], "closed": True,
        "filled": True,
    }  # fmt: skip


EXPORT = Export("fiftyone", "", "A data set that FiftyOne opens, with scores, decisions and regions as fields", write)
