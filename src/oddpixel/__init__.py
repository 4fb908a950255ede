"""OddPixel tells how odd an image is, where, and how sure it can be."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Imported when first used, so that `import oddpixel` and `oddpixel --help` answer at once.
PUBLIC = {
    "Image": "oddpixel.image",
    "Unreadable": "oddpixel.image",
    "Limits": "oddpixel.datasets.limits",
    "open_source": "oddpixel.datasets.source",
    "Detector": "oddpixel.forensics.detect.detector",
    "Score": "oddpixel.forensics.detect.score",
    "Finding": "oddpixel.forensics.audit.finding",
    "OddPixelError": "oddpixel.errors",
    "flag": "oddpixel.api.flag",
    "audit": "oddpixel.api.audit",
    "density": "oddpixel.api.density",
    "generate": "oddpixel.api.generate",
}
__all__ = ["__version__", *PUBLIC]

if TYPE_CHECKING:  # what editors and type checkers know of the names above
    from oddpixel.api.audit import audit as audit
    from oddpixel.api.density import density as density
    from oddpixel.api.flag import flag as flag
    from oddpixel.api.generate import generate as generate
    from oddpixel.datasets.limits import Limits as Limits
    from oddpixel.datasets.source import open_source as open_source
    from oddpixel.errors import OddPixelError as OddPixelError
    from oddpixel.forensics.audit.finding import Finding as Finding
    from oddpixel.forensics.detect.detector import Detector as Detector
    from oddpixel.forensics.detect.score import Score as Score
    from oddpixel.image import Image as Image
    from oddpixel.image import Unreadable as Unreadable

# Quiet unless the program that imports it, or the command line, asks otherwise.
logging.getLogger(__name__).addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'oddpixel' has no attribute {name!r}")
    value = getattr(import_module(PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
