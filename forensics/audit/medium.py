"""The two kinds of exhibits, pictures and films: the tests of each, and what a report says of every file of the kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from oddpixel.errors import UsageError
from oddpixel.naming import no_such

from .checks import checks
from .video.checks import timeline_checks

NEVER = (
    "whether the scene was staged, or the caption is true",
    "light, shadows, perspective, anatomy and other content",
    "the sensor's own pattern (needs reference images of the camera)",
)


@dataclass(frozen=True, eq=False)
class Medium:
    """A kind of file under examination.

    Arguments:
        found: finds its tests by name.
        not_examined: what no test looks at.
        innocent: what else could explain what tests find.
    """

    found: Callable[[], dict[str, Any]]
    not_examined: tuple[str, ...]
    innocent: tuple[str, ...]

    @cached_property
    def checks(self) -> dict[str, Any]:
        """The tests by name."""
        return self.found()

    def named(self, names: str | None) -> list[str]:
        """The tests of this medium in a comma-separated list of names, or all.

        Raises: UsageError for a name that no test has, of whichever medium, and for a list without any.
        """
        wanted = list(self.checks) if names is None else [name.strip() for name in names.split(",") if name.strip()]
        known = PICTURE.checks | FILM.checks
        if not wanted:
            raise UsageError("no check is named; leave the option away for all, or see --list-checks")
        if unknown := [name for name in wanted if name not in known]:
            raise UsageError(no_such("check", unknown[0], known))
        return [name for name in self.checks if name in wanted]


PICTURE = Medium(
    checks,
    (
        *NEVER,
        "earlier files of the same picture, and where it was published",
        "frames after the first, and sound",
        "faces narrower than 32 pixels, and those that are turned away or mostly hidden",
    ),
    (
        "resizing, cropping and saving again by a platform or a messenger",
        "the camera's own processing: several exposures merged, portrait blur, denoising of skies and skin",
        "logos, captions, frames and collages added in the open",
        "repeated content: prints, tiles, windows, signs",
    ),
)
FILM = Medium(
    timeline_checks,
    (
        *NEVER,
        "the pictures inside the frames, faces among them: no test of pictures was calibrated on frames of video, which are "
        "predicted from each other; nor is a still that was exported from it judged",
        "sound, and whether it fits the picture",
        "earlier files of the same film, and where it was published",
    ),
    (
        "cameras, streams and screen recorders that stall, or lose frames",
        "editing in the open: jump cuts, replays, held frames, inserted titles",
        "captions, fades and pages that are scrolled",
        "loops, and machines, lights or cameras in regular motion",
        "change of the frame rate by a platform",
    ),
)
