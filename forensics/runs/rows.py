"""The cells of a run's table that hold JSON, read without trust: a run may come from anywhere, and one damaged cell is that
cell's loss, never the page's."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

DAMAGED_ERROR = {"type": "RunError", "message": "the error recorded for this item is damaged"}
DAMAGED_NOTES = "the notes recorded for this item are damaged"
DAMAGED_REASON = {"channel": "", "p_value": None, "because": "the reasons recorded for this item are damaged"}


def error_of(row: Mapping[str, Any]) -> dict[str, str] | None:
    """`{type, message}`, or None where the item has no error."""
    if not row["error"]:
        return None
    content = _json(row["error"])
    if not isinstance(content, dict) or not all(isinstance(content.get(name), str) for name in DAMAGED_ERROR):
        return dict(DAMAGED_ERROR)
    return {name: content[name] for name in DAMAGED_ERROR}


def reasons_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """`[{channel, p_value, because}]`, the strongest first."""
    if not row["reasons"]:
        return []
    content = _json(row["reasons"])
    if not isinstance(content, list) or not all(_is_reason(each) for each in content):
        return [dict(DAMAGED_REASON)]
    return [{"channel": "", "p_value": None} | each for each in content]


def _json(cell: Any) -> Any:
    try:
        return json.loads(cell)
    except (ValueError, TypeError, RecursionError):
        return None


def _is_reason(content: Any) -> bool:
    if not isinstance(content, dict) or not isinstance(content.get("because"), str):
        return False
    p_value = content.get("p_value")
    return isinstance(content.get("channel", ""), str) and (
        p_value is None
        or (isinstance(p_value, int | float) and not isinstance(p_value, bool) and math.isfinite(p_value))
    )


def notes_of(row: Mapping[str, Any]) -> list[str]:
    """What was noted while the image was read and prepared."""
    if not row.get("notes"):
        return []
    content = _json(row["notes"])
    if not isinstance(content, list) or not all(isinstance(each, str) for each in content):
        return [DAMAGED_NOTES]
    return content


def odd_themselves(rows: Sequence[Mapping[str, Any]], decision: Mapping[str, Any]) -> set[str]:
    """Items of flagged groups that are odd by themselves: the others only share their group with one.

    Arguments:
        rows: of a decided run, whole groups.
        decision: of its record.
    """
    highest: dict[str, float] = {}
    for row in rows:
        if row["raw"] is not None:
            highest[row["group"]] = max(row["raw"], highest.get(row["group"], row["raw"]))
    up_to = decision.get("flagged_up_to")

    def is_odd(row: Mapping[str, Any]) -> bool:
        is_rare = None not in (up_to, row["p_value"]) and row["p_value"] <= up_to
        return bool(row["flagged"]) and (is_rare or row["raw"] == highest.get(row["group"]))

    return {row["item"] for row in rows if is_odd(row)}
