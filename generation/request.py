"""What is to be made: one record from the command line, the dashboard or Python to the pipeline."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oddpixel.errors import UsageError

from .sizes import Grid

FORMATS = ("png", "jpeg", "webp", "tiff")
PLACES = ("like", "image", "control", "mask")


@dataclass(frozen=True, kw_only=True)
class Request:
    """Arguments:
    prompt: a label, or text for a cascade that reads text; None leaves the choice to the cascade.
    negative_prompt: what the picture is led away from.
    size: height and width in pixels; None gives 512 x 512, or the proportions of `like` at that area.
    count: pictures, with seeds from `seed` on.
    like: a place; the low-resolution blueprint of this image guides the picture.
    image: a place; the picture starts from this image with noise of `strength`, 0..1.
    control: a place; what an adapter for edges or masks is shown of this image.
    mask: a place; white hides what is to be made anew.
    steps: of both passes of stage C; the cascade's own where None.
    format: of the files: png, jpeg, webp or tiff.
    """

    prompt: str | None = None
    negative_prompt: str | None = None
    size: Grid | None = None
    count: int = 1
    seed: int = 0
    like: str | None = None
    image: str | None = None
    strength: float = 1.0
    control: str | None = None
    mask: str | None = None
    steps: int | None = None
    format: str = "png"

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise UsageError(f"pictures are written as {', '.join(FORMATS)}; got {self.format!r}")
        if self.count < 1:
            raise UsageError(f"a count starts at 1, got {self.count}")

    def described(self) -> dict[str, Any]:
        """For the record beside a picture: images by their names, never with the folders they lie in."""
        given = asdict(self)
        return given | {name: given[name] and Path(given[name]).name for name in PLACES}
