"""What a worker has loaded: the detector, followed when it is exchanged, density models and the cascade when first asked for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from oddpixel import __version__
from oddpixel.datasets.reading import Reader
from oddpixel.errors import ModelError
from oddpixel.forensics.audit.run import Handling
from oddpixel.forensics.detect.detector import Detector
from oddpixel.forensics.detect.guarantee import groups_needed, rate_text, smallest_alpha
from oddpixel.forensics.detect.store import load, read_record

RECORD = "detector.json"
ALPHA = 0.05  # where a client asks for no other
SHOWN = 12  # characters of a hash


def version_of(detector: Path | None) -> str:
    """What answers: OddPixel's version, and that of the detector by the hash of its record.

    Raises: ModelError where the detector is gone.
    """
    if detector is None:
        return __version__
    try:
        digest = hashlib.sha256((detector / RECORD).read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"the detector cannot be read: {error.strerror or error}") from error
    return f"{__version__}+detector.{digest[:SHOWN]}"


def num_groups_of(detector: Path) -> int:
    """How many groups a detector is calibrated on. Raises: ModelError."""
    return int(read_record(detector)["num_calibration_groups"])


def could_flag(detector: Path | None, alpha: float = ALPHA) -> str | None:
    """Why a detector flags nothing at this rate of false alarms, or None. Raises: ModelError."""
    if detector is None or (groups := num_groups_of(detector)) >= groups_needed(alpha):
        return None
    return (
        f"the detector is calibrated on {groups} groups and flags nothing at an alpha of {alpha:g}, which needs "
        f"{groups_needed(alpha)}: ask for an alpha of {rate_text(smallest_alpha(groups))} or more, or add normals"
    )


@dataclass
class Models:
    """The models of one worker.

    Arguments:
        folder: of the detector; exchanged by renaming another one (or a link) into its place.
        max_megapixels: larger images are refused before they are decoded.
    """

    folder: Path | None
    max_megapixels: float = 150.0
    _loaded: tuple[str, Detector] | None = field(default=None, repr=False)

    def detector(self) -> tuple[str, Detector]:
        """The detector and its version, loaded anew when it was exchanged; the old one serves until then.

        Raises: ModelError.
        """
        if self.folder is None:
            raise ModelError("the service has no detector; start it with --detector")
        version = version_of(self.folder)
        if self._loaded is None or self._loaded[0] != version:
            self._loaded = version, load(self.folder)
        return self._loaded

    @property
    def reader(self) -> Reader:
        """Reads by content, with a decoder that is kept from job to job."""
        return Handling(max_megapixels=self.max_megapixels).reader


@cache
def density_model(name: str) -> Any:
    """A density model by name, loaded once a worker. Raises: ModelError."""
    from oddpixel.forensics.density.store import load_model

    return load_model(name)


@cache
def generator() -> Any:
    """The bundled cascade, loaded once a worker. Raises: ModelError."""
    from oddpixel.generation.make import Generator

    return Generator.load()
