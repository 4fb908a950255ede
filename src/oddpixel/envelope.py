"""The JSON that every command prints with `--json`: one object, `{schema, ...}`, strictly valid.

A map is an array in memory and a run-relative path in JSON; NaN and infinity become null.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

SCHEMA_VERSION = 1


def envelope(kind: str, **content: Any) -> str:
    """One JSON object `{schema: "oddpixel/KIND/VERSION", ...}` as text."""
    return json.dumps(plain({"schema": f"oddpixel/{kind}/{SCHEMA_VERSION}", **content}), allow_nan=False, indent=2)


def plain(value: Any) -> Any:
    """The same value in JSON's own types: records become objects, NaN and infinity null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, PurePath):
        return value.as_posix()
    return str(value)
