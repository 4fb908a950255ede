"""`oddpixel flag --expected NORMALS`: beside the map of each flagged image, what normal images show there.

expected/SHA256[-FRAME].png     marked as synthetic; never the truth about the image, and never an input of a score
expected/expected.json          for each: its item, the normal images it was taken from, or why there is none
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from oddpixel.border import border
from oddpixel.datasets.reading import read_frame
from oddpixel.datasets.source import open_source, readable
from oddpixel.errors import InvalidImage, OddPixelError, UsageError, describe
from oddpixel.forensics.runs.originals import OriginalFiles
from oddpixel.forensics.runs.rows import Row
from oddpixel.forensics.runs.run import Run
from oddpixel.image import Image, Unreadable, file_and_frame
from oddpixel.provenance import save_synthetic

from .expected import Expected, expected_normal
from .odd_region import odd_region

FOLDER = "expected"
MOST_NORMALS = 200


def write_expected(run: Run, rows: Sequence[Row], normals: Sequence[str], *, aligned: bool) -> list[dict[str, Any]]:
    """One record a flagged item that has a map. Raises: UsageError where no normal image can be read."""
    known = [image for image, _ in zip(readable(open_source(*normals)), range(MOST_NORMALS), strict=False)]
    if not known:
        raise UsageError(f"no normal image in {', '.join(map(str, normals))}; an expected normal is taken from them")
    files = OriginalFiles(run)
    flagged = [row for row in rows if row.flagged and row.map]
    with closing(files.reader.decoder()) as decoder:

        def step(row: Row) -> dict[str, Any]:
            entry = files.entry(row)
            frame = None if row.item == entry.name else file_and_frame(row.item)[1]
            image = read_frame(entry, decoder, files.reader.limits, frame)
            if isinstance(image, Unreadable):
                raise image.error
            if image.sha256 != row.sha256:
                raise InvalidImage("the file has changed since it was scored; flag it again")
            return _written(run, row, image, known, aligned)

        records = list(border(flagged, step, _failed))
    run.write_json(f"{FOLDER}/expected.json", {"normals": [image.source for image in known], "items": records})
    return records


def _written(run: Run, row: Row, image: Image, normals: Sequence[Image], aligned: bool) -> dict[str, Any]:
    alike = [each for each in normals if each.unit == image.unit and len(each.pixels) == len(image.pixels)]
    if not alike:
        raise InvalidImage(f"none of the normal images is in {image.unit} with {len(image.pixels)} channels")
    odd = odd_region(run, row, (image.pixels.shape[1], image.pixels.shape[2]))
    pixels = [np.nan_to_num(each.pixels) for each in alike]
    made: Expected = expected_normal(np.nan_to_num(image.pixels), odd, pixels, aligned=aligned)
    name = f"{FOLDER}/{Path(str(row.map)).stem}.png"
    sources = [alike[k].source for k in made.sources]
    path = run.path / name
    path.parent.mkdir(exist_ok=True)
    shown = replace(image, pixels=made.pixels).to_display()
    save_synthetic(
        path, shown[..., 0] if shown.shape[2] == 1 else shown[..., :3], f"expected normal, from {len(sources)} images"
    )
    return {"item": row.item, "expected": name, "share": round(float(odd.mean()), 4), "from": sources, "error": None}


def _failed(row: Row, error: OddPixelError) -> dict[str, Any]:
    return {"item": row.item, "expected": None, "share": None, "from": [], "error": describe(error)}
