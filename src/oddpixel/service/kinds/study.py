"""A DICOM study as one archive: every image judged, and what was found as DICOM objects for the archive that it came from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from oddpixel.errors import ModelError, OddPixelError
from oddpixel.forensics.detect.decide import Rule
from oddpixel.forensics.detect.flag import Incoming, flag_into
from oddpixel.forensics.runs.export import export

from ..models import version_of
from . import Options, Task


class StudyOptions(Options):
    """How decisions are made, and what is made of them."""

    alpha: float = Field(0.05, gt=0, lt=1, description="At most this share of normal patients is flagged.")
    results: tuple[Literal["sr", "seg", "sc"], ...] = Field(
        ("sr", "seg"), description="Structured reports, segmentations of marked places, captures with the map."
    )


class Study:
    """The job of `oddpixel flag` and `oddpixel export`, of one archive of DICOM files."""

    name = "study"
    needs_file = True
    needs_detector = True
    options = StudyOptions
    summary = "Which images of this study (a zip of DICOM files) are odd? Answered with DICOM objects."
    example = {  # noqa: RUF012 -- never mutated
        "items": [{"item": "study.zip/00001.dcm", "p_value": 0.03, "flagged": True, "error": None}],
        "objects": ["sr/00001-0123456789abcdef.dcm"], "files": ["sr/00001-0123456789abcdef.dcm"],
        "left_out": [], "promise": "at most 0.05 of normal groups are flagged, on average over calibration sets of 34 groups",
        "warnings": [],
    }  # fmt: skip

    def run(self, task: Task) -> dict[str, Any]:
        """One item an image; an image that cannot be judged has its error. `objects` are sent in this order."""
        assert task.path is not None
        detector = task.models.folder
        if detector is None:
            raise ModelError("the service has no detector; start it with --detector")
        version = version_of(detector)
        incoming = Incoming(places=(str(task.path),), max_megapixels=task.models.max_megapixels)
        flagged = flag_into(task.out / "run", incoming, detector, Rule(alpha=task.options["alpha"]))
        assert flagged is not None
        objects, left_out = [], []
        for form in task.options["results"]:
            try:
                left_out += export(flagged.run, form, task.out / form)
            except OddPixelError as error:  # nothing to say in this form
                left_out.append(f"{form}: {error}")
            else:
                objects += sorted(str(path.relative_to(task.out)) for path in (task.out / form).iterdir())
        shown = ("item", "sha256", "group", "raw", "p_value", "flagged", "reasons", "notes", "error")
        return {
            "items": [{name: row.as_json()[name] for name in shown} for row in flagged.rows],
            "objects": objects, "files": objects, "left_out": left_out,
            "promise": flagged.decision.get("promise", ""), "warnings": flagged.decision.get("warnings", []),
            "version": version,
        }  # fmt: skip


KIND = Study()
