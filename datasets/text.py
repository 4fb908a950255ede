"""Text that came out of a file: bounded, printable, never markup. Escape it again wherever it is shown."""

from __future__ import annotations

from typing import Any

MAX_LENGTH = 120


def technical_text(value: Any, longest: int = MAX_LENGTH) -> str | float | int:
    """Convert a value from a file to a number, or to printable text of at most `longest` characters."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return value
    try:
        if not isinstance(value, str | bytes):
            return float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        pass
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
    clean = "".join(c if c.isprintable() else " " for c in text).strip()
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
