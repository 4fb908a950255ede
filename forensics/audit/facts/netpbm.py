"""PBM, PGM, PPM and PAM: comments in the header, from `#` to the end of a line (netpbm's pnm(5) and pam(5))."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .fact import Fact
from .generators import text_fact

MAGIC = re.compile(rb"P[1-7]\s")
TOKEN = re.compile(rb"\s*(?:#([^\n\r]*)|([^\s#]+))")  # a comment, or a word
MOST_HEADER = 2_000_000  # bytes
NUM_WORDS = {b"P1": 2, b"P4": 2}  # width and height; for others the maximum too, and for PAM up to ENDHDR


def look(content: bytes) -> Iterator[Fact]:
    """The fact of a Netpbm header's comments."""
    if MAGIC.match(content) is None:
        return
    lines = _comments(content[:MOST_HEADER])
    if lines:
        yield text_fact("Netpbm comment", "comment", b"\n".join(lines).decode("utf-8", "replace"))


def _comments(content: bytes) -> list[bytes]:
    """All of the header's, a text of several lines having a comment a line."""
    comments, place, num_words = [], 2, 0
    is_pam = content.startswith(b"P7")
    while num_words < NUM_WORDS.get(content[:2], 3) or is_pam:
        token = TOKEN.match(content, place)
        if token is None or token[2] == b"ENDHDR":
            break
        if token[1] is not None:
            comments.append(token[1].strip())
        num_words += token[2] is not None
        place = token.end()
    return comments
