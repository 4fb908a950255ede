"""How odd an image is for the service's detector: score, p-value, reasons."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import Field

from oddpixel.border import border
from oddpixel.datasets.entry import Entry
from oddpixel.errors import InvalidImage, UnsupportedFormat
from oddpixel.forensics.detect.guarantee import guarantee
from oddpixel.forensics.runs.rows import Row, failed_row
from oddpixel.image import Image, Unreadable

from . import Options, Task


class ScoreOptions(Options):
    """How decisions are made."""

    alpha: float = Field(0.05, gt=0, lt=1, description="At most this share of normal groups is flagged.")


class Score:
    """The job of `oddpixel flag`, of one file."""

    name = "score"
    needs_file = True
    needs_detector = True
    options = ScoreOptions
    summary = "How odd is this image for the service's detector, and why?"
    example = {  # noqa: RUF012 -- never mutated
        "items": [
            {
                "item": "scan.png", "p_value": 0.03, "flagged": True, "raw": 4.1,
                "reasons": [{"channel": "patch", "p_value": 0.03, "because": "something that normals do not show there"}],
            }
        ],
        "promise": "at most 0.05 of normal groups are flagged, on average over calibration sets of 34 groups",
    }  # fmt: skip

    def run(self, task: Task) -> dict[str, Any]:
        """One item an image of the file; an image that cannot be judged has its error."""
        assert task.path is not None
        with task.path.open("rb") as file:
            is_archive = file.read(2) == b"PK"
        if is_archive:
            raise UnsupportedFormat(
                "this is an archive; send each picture as a job of its own, a DICOM study as `study`"
            )
        version, detector = task.models.detector()
        promised = guarantee(detector.calibrated_.num_groups, task.options["alpha"], None)

        def row(image: Image | Unreadable) -> Row:
            judged = detector.judge(image)
            if not np.isfinite(judged.raw):
                raise InvalidImage("its score is no number: the detector cannot take these pixels")
            assert isinstance(image, Image)
            p_value = float(detector.calibrated_.p_values(np.array([judged.raw]))[0])
            return Row(
                item=image.source, sha256=image.sha256, raw=float(judged.raw), p_value=p_value,
                flagged=p_value <= promised.threshold, reasons=detector.reasons(judged), notes=tuple(judged.notes),
                height=image.pixels.shape[1], width=image.pixels.shape[2],
            )  # fmt: skip

        images = task.models.reader.read([Entry(name=task.path.name, path=task.path)])
        rows = [each.as_json() for each in border(images, row, failed_row)]
        shown = ("item", "sha256", "raw", "p_value", "flagged", "reasons", "notes", "width", "height", "error")
        return {
            "items": [{name: each[name] for name in shown} for each in rows],
            "promise": str(promised), "version": version,
        }  # fmt: skip


KIND = Score()
