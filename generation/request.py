"""What to generate: one record from the command line, the dashboard or Python to the pipeline."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from oddpixel.errors import UsageError
from oddpixel.files import plain_text

from .sizes import MOST_SIDE, Grid

FORMATS = ("png", "jpeg", "webp", "tiff")
MOST_COUNT, MOST_SEED, MOST_STEPS = 100_000, 2**31, 1000
STRENGTH = 0.6
PLACES = ("like", "image", "control", "mask")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to generate; limits are checked when the request is made.

    Arguments:
        prompt: a label, or text for a cascade that reads text; None leaves the choice to the cascade.
        negative_prompt: what the picture is led away from.
        size: height and width in pixels; None gives 512 x 512, or the proportions of `like` at that area.
        count: pictures, with seeds from `seed` on.
        like: a place; the low-resolution blueprint of this image guides the picture.
        image: a place; the picture starts from this image with noise of `strength`.
        strength: above 0 and below 1; `STRENGTH` where None.
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
    strength: float | None = None
    control: str | None = None
    mask: str | None = None
    steps: int | None = None
    format: str = "png"

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise UsageError(f"the format must be one of {', '.join(FORMATS)}; got {self.format!r}")
        for name, value, least, most in (
            ("the count", self.count, 1, MOST_COUNT),
            ("the seed", self.seed, 0, MOST_SEED),
            ("the number of steps", 1 if self.steps is None else self.steps, 1, MOST_STEPS),
            *(("each side", side, 1, MOST_SIDE) for side in self.size or ()),
        ):
            if not least <= value <= most:
                raise UsageError(f"{name} must lie from {least} to {most}, got {value}")
        if self.strength is not None and (self.image is None or not 0 < self.strength < 1):
            raise UsageError(
                f"a strength needs an image to start from, and must lie above 0 and below 1, got {self.strength:g}: at 1 nothing "
                "of the image is left"
            )

    def described(self) -> dict[str, Any]:
        """The request as JSON for a picture's record: images by name, never with the folders they lie in."""
        fields = asdict(self)
        return fields | {name: fields[name] and plain_text(Path(fields[name]).name) for name in PLACES}
