"""One fact about a file, and how text out of a file becomes text that is safe to show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LONGEST = 500  # characters of a text that are shown


@dataclass(frozen=True)
class Fact:
    """One thing that a file declares or that its structure shows; never evidence.

    Arguments:
        name: what it is about.
        value: text, number, or a list of them; text from the file is cut and printable.
        because: what it does and does not mean, where that needs saying.
        declares: `synthetic` where somebody wrote that the picture was made by a machine.
    """

    name: str
    value: Any
    because: str = ""
    declares: str | None = None


def printable(text: str | bytes) -> str:
    """The text, cut, without characters that could deceive.

    Control characters would steer a terminal, bidirectional overrides mislead a reader.
    """
    read = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    kept = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in read[: LONGEST + 1])
    return kept if len(read) <= LONGEST else f"{kept[:LONGEST]}... ({len(read)} characters)"
