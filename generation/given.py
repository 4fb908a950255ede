"""The images that a request names, read once: they decide the size, guide the picture, and are never replaced by it."""

from __future__ import annotations

from dataclasses import dataclass

from .references import Reference, read_reference
from .request import Request


@dataclass(frozen=True, eq=False)
class Given:
    """The images that a request names, under the names of its fields; None where it names none."""

    like: Reference | None = None
    image: Reference | None = None
    control: Reference | None = None
    mask: Reference | None = None

    @classmethod
    def read(cls, request: Request) -> Given:
        """Read the images of a request. Raises: UnreadableInput, UsageError."""
        places = request.like, request.image, request.control, request.mask
        return cls(*(None if place is None else read_reference(place) for place in places))

    @property
    def shown(self) -> Reference | None:
        """The image that decides size and unit: `like`, else `image`, else `control`."""
        return self.like or self.image or self.control

    @property
    def digests(self) -> frozenset[str]:
        """SHA-256 of the image files."""
        images = self.like, self.image, self.control, self.mask
        return frozenset(image.sha256 for image in images if image is not None)
