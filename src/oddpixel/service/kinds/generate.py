"""Synthetic references, marked as such: of a label, or like a given image."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ..models import generator
from . import Options, Task

MOST_SIDE, MOST_COUNT = 2048, 16


class GenerateOptions(Options):
    """What to make; with a file, pictures like it."""

    prompt: str | None = Field(None, max_length=200, description="A label of the cascade.")
    width: int | None = Field(None, ge=64, le=MOST_SIDE)
    height: int | None = Field(None, ge=64, le=MOST_SIDE)
    count: int = Field(1, ge=1, le=MOST_COUNT)
    seed: int = Field(0, ge=0, le=2**31 - MOST_COUNT)
    format: Literal["png", "jpeg", "webp", "tiff"] = "png"


class Generate:
    """The job of `oddpixel generate`."""

    name = "generate"
    needs_file = False
    needs_detector = False
    options = GenerateOptions
    summary = "Make synthetic references, of a label or like an image."
    example = {"items": [{"item": "photograph-0.png", "seed": 0}], "files": ["made/photograph-0.png"]}  # noqa: RUF012

    def run(self, task: Task) -> dict[str, Any]:
        """One item a picture; pictures and their records are files of the job."""
        from oddpixel.errors import UsageError
        from oddpixel.generation.make import make
        from oddpixel.generation.request import Request

        given = dict(task.options)
        width, height = given.pop("width"), given.pop("height")
        if (width is None) != (height is None):
            raise UsageError("give both width and height, or neither")
        size = None if width is None else (height, width)
        like = None if task.path is None else str(task.path)
        items = make(Request(size=size, like=like, **given), generator(), task.out / "made", overwrite=True)
        paths = sorted(
            path for path in (task.out / "made").rglob("*") if path.is_file() and not path.name.startswith(".")
        )
        return {"items": items, "files": [str(path.relative_to(task.out)) for path in paths]}


KIND = Generate()
