"""The chain of a TIFF's directories, one a page: each ends in the offset of the next, the last in 0 (TIFF 6.0, p. 13 and 14).

A chain that breaks off, or runs in a circle, has lost every page after that point. tifffile reads what it still reaches, and
only logs that; of a circle it may read fewer pages than there are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from .limits import Limits

FIRST_OFFSET = {42: 4, 43: 8}  # where it stands: TIFF, BigTIFF


def pages_of(tiff: Any, limits: Limits) -> tuple[list[Any], list[str]]:
    """The pages of the directory chain, and a note where it is broken. Raises: TooLarge."""
    offsets, notes = _directories(tiff, limits)
    limits.check_size(1, 1, len(tiff.pages))
    tiff.pages.useframes = False
    return list(tiff.pages) if len(tiff.pages) >= len(offsets) else list(_pages_at(tiff, offsets)), notes


def _pages_at(tiff: Any, offsets: list[int]) -> Iterator[Any]:
    import tifffile

    for number, offset in enumerate(offsets):
        tiff.filehandle.seek(offset)
        yield tifffile.TiffPage(tiff, number)


def _directories(tiff: Any, limits: Limits) -> tuple[list[int], list[str]]:
    """Offsets in order, and a note. Raises: TooLarge."""
    offsets: dict[int, None] = {}
    offset = _number(tiff, FIRST_OFFSET.get(tiff.tiff.version, 4), tiff.tiff.offsetformat)
    while offset:
        following = _following(tiff, offset)
        if following is None:
            return [*offsets], [_broken(len(offsets), "leads out of the file")]
        if offset in offsets:
            return [*offsets], [_broken(len(offsets), f"leads back to page {[*offsets].index(offset) + 1}")]
        offsets[offset] = None
        limits.check_size(1, 1, len(offsets))
        offset = following
    return [*offsets], []


def _following(tiff: Any, offset: int) -> int | None:
    """The offset at the end of the directory at this one, 0 for the last; None where the directory is not in the file."""
    kind = tiff.tiff
    num_tags = _number(tiff, offset, kind.tagnoformat)
    if num_tags is None:
        return None
    return _number(tiff, offset + kind.tagnosize + num_tags * kind.tagsize, kind.offsetformat)


def _number(tiff: Any, place: int, form: str) -> int | None:
    tiff.filehandle.seek(place)
    content = tiff.filehandle.read(struct.calcsize(form))
    return int(struct.unpack(form, content)[0]) if len(content) == struct.calcsize(form) else None


def _broken(num_pages: int, ending: str) -> str:
    return f"after page {num_pages} the chain of pages {ending}: the file is cut short or damaged, and pages may be missing"
