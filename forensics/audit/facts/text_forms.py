"""What a form of a declaration asks of a text: that it is whole of one shape, that it holds lines, or that it is a JSON object.

Each function here returns a test of a text. A caption that mentions a generator passes none of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

Test = Callable[[str], bool]


def whole(pattern: str) -> Test:
    """A test whether the whole text matches an expression, but for white space around it."""
    compiled = re.compile(pattern, re.DOTALL | re.IGNORECASE)
    return lambda text: compiled.fullmatch(text.strip()) is not None


def lines(*patterns: str) -> Test:
    """A test whether the text holds all of the expressions; `^` and `$` are the ends of a line."""
    compiled = [re.compile(pattern, re.MULTILINE) for pattern in patterns]
    return lambda text: all(pattern.search(text) for pattern in compiled)


def members(*names: str, **values: str) -> Test:
    """A test whether the text is one JSON object with members of such names, and with these values.

    Arguments:
        names: an expression each, of a whole name.
    """
    compiled = [re.compile(name) for name in names]

    def has_members(text: str) -> bool:
        read = json_object(text)
        has_values = all(read.get(name) == value for name, value in values.items())
        return bool(read) and has_values and all(any(name.fullmatch(key) for key in read) for name in compiled)

    return has_members


@lru_cache(maxsize=4)  # several forms ask about one text
def json_object(text: str) -> dict[str, Any]:
    """The JSON object that a text holds; empty where the text is anything else."""
    if not text.lstrip().startswith("{"):
        return {}
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}
