"""The marker segments of a JPEG stream, from its beginning to the end of its first image (ITU-T T.81, B.1.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator

START_OF_IMAGE, END_OF_IMAGE = b"\xff\xd8", b"\xff\xd9"
START_OF_SCAN, END = 0xDA, 0xD9
METADATA = (*range(0xE0, 0xF0), 0xFE)  # application segments and comments
# Within entropy-coded data, 0xFF is followed by 0, by a restart marker, or by another fill byte.
AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def without_metadata(stream: bytes) -> bytes:
    """The stream without application segments and comments before its first scan."""
    parts, position = [START_OF_IMAGE], len(START_OF_IMAGE)
    while stream[position : position + 1] == b"\xff" and (code := stream[position + 1 : position + 2]):
        if code[0] == START_OF_SCAN:
            break
        is_fill = code[0] == 0xFF
        end = position + (1 if is_fill else 2 + int.from_bytes(stream[position + 2 : position + 4], "big"))
        if not is_fill and code[0] not in METADATA:
            parts.append(stream[position:end])
        position = end
    return b"".join(parts) + stream[position:]


def segments(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Iterate over marker and content of each segment; scans come without their entropy-coded data."""
    position = len(START_OF_IMAGE)
    while position + 4 <= len(stream) and stream[position] == 0xFF and (code := stream[position + 1]) != END:
        if code == 0xFF:  # a fill byte
            position += 1
            continue
        end = position + 2 + int.from_bytes(stream[position + 2 : position + 4], "big")
        yield code, stream[position + 4 : end]
        if code == START_OF_SCAN:
            marker = AFTER_SCAN.search(stream, end)
            end = marker.start() if marker else len(stream)
        position = end
