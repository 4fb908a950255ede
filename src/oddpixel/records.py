"""JSON records in folders that people hand on: of a known shape, or a typed error that names the file and the field.

A record is read whole or refused: too large, too deep, NaN or infinity, a field that is missing or of another type or range. So
the code behind it may take every field for what its schema says (JSON Schema 2020-12), and nothing is allocated for a number
that nobody could have meant.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from oddpixel.errors import OddPixelError

MOST_BYTES = 64 * 2**20
LONGEST_VALUE = 80  # characters of a value that a message repeats

Schema = Mapping[str, Any]


def read_record(path: Path, schema: Schema, error: type[OddPixelError]) -> dict[str, Any]:
    """The JSON object in a file, as `schema` describes it.

    Raises: `error`, naming the file and the field.
    """
    try:
        if not path.is_file():  # reading a pipe would never end
            raise error(f"{path} is missing, or not a regular file")
        if path.stat().st_size > MOST_BYTES:
            raise error(f"{path} has more than {MOST_BYTES >> 20} MiB; a record of this kind is far smaller")
        return checked(parsed(path.read_bytes(), str(path), error), schema, str(path), error)
    except OSError as reason:
        raise error(f"{path} cannot be read: {reason.strerror or reason}") from reason


def parsed(content: bytes | str, name: str, error: type[OddPixelError]) -> Any:
    """The value of a JSON text without NaN, infinity or endless nesting. Raises: `error`."""
    try:
        return json.loads(content, parse_constant=_refused_constant)
    except (ValueError, RecursionError) as reason:
        because = "it is nested too deeply" if isinstance(reason, RecursionError) else str(reason)
        raise error(f"{name} is damaged: {because}") from reason


def checked(
    content: Any, schema: Schema, name: str, error: type[OddPixelError], flawed: str = "is damaged"
) -> dict[str, Any]:
    """The same content, checked against `schema`. Raises: `error`, which says that NAME `flawed`, and where."""
    from jsonschema.exceptions import best_match

    try:
        flaw = best_match(_validator(json.dumps(schema, sort_keys=True)).iter_errors(content))
    except RecursionError as reason:
        raise error(f"{name} {flawed}: it is nested too deeply") from reason
    if flaw is not None:
        field = flaw.json_path.removeprefix("$.").removeprefix("$") or "the record"
        raise error(f"{name} {flawed}: {field}: {_shortened(flaw.message)}")
    assert isinstance(content, dict)
    return content


@cache
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator({"type": "object", **json.loads(schema)})


def _refused_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of a record")


def _shortened(message: str) -> str:
    return message if len(message) <= 2 * LONGEST_VALUE else f"{message[:LONGEST_VALUE]} ... {message[-LONGEST_VALUE:]}"
