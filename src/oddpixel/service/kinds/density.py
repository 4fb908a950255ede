"""The likelihood of one image under a density model."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from oddpixel.datasets.entry import Entry
from oddpixel.forensics.density.measure import measure_source

from ..models import density_model
from . import Options, Task


class DensityOptions(Options):
    """Which model, and whether its two ways to the likelihood are compared."""

    model: Literal["photo-rgb", "photo-grey"] = Field("photo-rgb", description="A bundled model.")
    identity: bool = Field(False, description="Also by the identity of all noise levels, which takes longer.")


class Density:
    """The job of `oddpixel density`, of one file."""

    name = "density"
    needs_file = True
    needs_detector = False
    options = DensityOptions
    summary = "How likely is this image under a density model?"
    example = {  # noqa: RUF012 -- never mutated
        "items": [{"item": "photo.png", "bits_per_dim": 2.9, "nats": 601234.5, "dims": 786432, "error": None}]
    }

    def run(self, task: Task) -> dict[str, Any]:
        """One item an image of the file."""
        assert task.path is not None
        images = task.models.reader.read([Entry(name=task.path.name, path=task.path)])
        model = density_model(task.options["model"])
        return {"items": measure_source(images, model, identity=task.options["identity"])}


KIND = Density()
