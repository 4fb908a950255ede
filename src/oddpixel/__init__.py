"""OddPixel tells how odd an image is, where, and how sure it can be."""

from __future__ import annotations

from importlib import import_module
from typing import Any

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
}
__all__ = ["__version__", *PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in PUBLIC:
        raise AttributeError(f"module 'oddpixel' has no attribute {name!r}")
    return getattr(import_module(PUBLIC[name]), name)
