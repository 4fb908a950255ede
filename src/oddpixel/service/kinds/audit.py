"""An audit of one picture or film: the verdict, the findings, and the report as files."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from oddpixel.errors import UnsupportedFormat, UsageError
from oddpixel.forensics.audit.audited import Options as AuditOptions
from oddpixel.forensics.audit.medium import PICTURE
from oddpixel.forensics.audit.run import Handling, audit_into

from . import Options, Task


class AuditRequest(Options):
    """What is decided, and what is written."""

    alpha: float = Field(0.05, gt=0, lt=1, description="At most this share of authentic files is called.")
    checks: str | None = Field(None, description="Only these, with commas.")
    aids: bool = Field(False, description="Visual aids, which have no error rate, in the report.")
    pdf: bool = Field(False, description="The report as PDF, too.")

    @field_validator("checks")
    @classmethod
    def known(cls, names: str | None) -> str | None:
        """Names of checks of pictures or films."""
        try:
            PICTURE.named(names)
        except UsageError as error:
            raise ValueError(str(error)) from error
        return names


class Audit:
    """The job of `oddpixel audit`, of one file."""

    name = "audit"
    needs_file = True
    needs_detector = False
    options = AuditRequest
    summary = "Was this picture or film manipulated?"
    example = {  # noqa: RUF012 -- never mutated
        "item": "photo.jpg", "error": None,
        "verdict": {"label": "no evidence found", "because": ["none of 3 tests reached its share"], "p_value": 0.4},
        "files": ["run/reports/SHA256/report.html", "run/reports/SHA256/report.json"],
    }  # fmt: skip

    def run(self, task: Task) -> dict[str, Any]:
        """The item of the audit's run; a file that cannot be read has its error."""
        assert task.path is not None
        given = task.options
        options = AuditOptions(checks=given["checks"], alpha=given["alpha"], aids=given["aids"])
        handling = Handling(max_megapixels=task.models.max_megapixels, with_pdf=given["pdf"], examiner="oddpixel serve")
        done = audit_into(task.out / "run", (str(task.path),), options, handling)
        if len(done.items) != 1:
            raise UnsupportedFormat(f"the file holds {len(done.items)} pictures; send one at a time")
        (item,) = done.items
        folder = None if item["error"] is not None else done.run.path / item["report"]
        paths = [] if folder is None else sorted(path for path in folder.rglob("*") if path.is_file())
        return {**item, "files": [str(path.relative_to(task.out)) for path in paths]}


KIND = Audit()
