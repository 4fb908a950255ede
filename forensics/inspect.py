"""`oddpixel inspect`: what each image is, without judging it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from oddpixel.errors import describe
from oddpixel.image import Image, Unreadable

from .contact_sheet import write_contact_sheet
from .runs import Run


def inspect_source(
    source: Iterable[Image | Unreadable],
    out: Path | None = None,
    options: dict[str, Any] | None = None,
    on_item: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """One record an image, in the source's order; with `out`, also a run folder with thumbnails and a contact sheet.

    Raises: RunError where `out` cannot be written.
    """
    run = None if out is None else Run.create(out, "inspect", options or {})
    items = []
    for image in source:
        item = describe_image(image)
        # A name may be burned into pictures of a screen, and a thumbnail would carry it along.
        if run is not None and isinstance(image, Image) and "text_in_pixels" not in image.meta:
            item["thumbnail"] = run.write_thumbnail(image)
        items.append(item)
        on_item()
    if run is not None:
        run.write_part(0, items)
        run.finish()
        write_contact_sheet(run.path / "index.html", "inspect", items)
    return items


def describe_image(image: Image | Unreadable) -> dict[str, Any]:
    """The facts of one image, or its error."""
    common = {"item": image.source, "sha256": image.sha256, "group": image.group}
    if isinstance(image, Unreadable):
        return {**common, "error": describe(image.error)}
    channels, height, width = image.pixels.shape
    return {
        **common,
        "error": None,
        "width": width,
        "height": height,
        "channels": channels,
        "bits": image.bits,
        "unit": image.unit,
        "range": [float(image.pixels.min()), float(image.pixels.max())],
        "spacing_mm": image.spacing_mm,
        # Of the decoded samples: equal for the same picture in two containers.
        "pixels_sha256": hashlib.sha256(np.ascontiguousarray(image.pixels).data).hexdigest(),
        "meta": {name: value for name, value in image.meta.items() if name != "display"},
    }
