"""An image's size and pixel spacing as text, to compare it with others of its series."""

from __future__ import annotations

from typing import Any


def raster_of(dataset: Any) -> str:
    """Size and pixel spacing as text, `512 x 512 of 0.7 x 0.7 mm`: rows first, spacing only where it is given."""
    size = f"{dataset.get('Rows')} x {dataset.get('Columns')}"
    try:
        row, column = (float(value) for value in dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing"))
    except (TypeError, ValueError):  # none given, or no two numbers
        return size
    return f"{size} of {row:.4g} x {column:.4g} mm"
