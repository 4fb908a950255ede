"""Numbers with their nouns, for messages that people read: `1 slice`, `2 slices`."""

from __future__ import annotations


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """A number with its noun, such as `1 image` or `2 images`.

    Arguments:
        plural: where it is not the singular with an s: `counted(2, "series", "series")`.
    """
    return f"{number} {singular if number == 1 else plural or f'{singular}s'}"
