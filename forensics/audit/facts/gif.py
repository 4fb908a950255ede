"""GIF: comments (GIF89a, 24)."""

from __future__ import annotations

from collections.abc import Iterator

from .fact import Fact
from .generators import text_fact

COMMENT = b"\x21\xfe"
MOST, MOST_BYTES = 20, 2_000_000


def look(content: bytes) -> Iterator[Fact]:
    if not content.startswith(b"GIF8"):
        return
    place = 0
    for _ in range(MOST):
        if (place := content.find(COMMENT, place)) < 0:
            return
        text = _blocks(content, place + len(COMMENT))
        place += len(COMMENT)
        # The two bytes may stand in compressed pixels too: a comment is text to its end.
        if text and text.isascii() and b"\0" not in text:
            yield text_fact("GIF comment", "comment", text.decode("ascii"))


def _blocks(content: bytes, place: int) -> bytes:
    """Sub-blocks: a length and that many bytes, up to a length of zero."""
    parts: list[bytes] = []
    while place < len(content) and (length := content[place]) and 255 * len(parts) < MOST_BYTES:
        parts.append(content[place + 1 : place + 1 + length])
        place += 1 + length
    return b"".join(parts)
