"""One row of a run: what a command keeps of one item. Typed here, and encoded for Parquet and decoded again nowhere else.

Reasons, notes and errors are JSON in their cells. A run may come from anywhere, so cells are read without trust, and a damaged
one is that cell's loss, never the page's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from oddpixel.envelope import plain
from oddpixel.errors import OddPixelError, describe
from oddpixel.image import Image, Unreadable

# The columns of scores/part-*.parquet and their pandas types; what a command has no value for stays null.
COLUMNS = {
    "item": "string",
    "sha256": "string",
    "group": "string",
    "stratum": "string",
    "raw": "Float64",
    "p_value": "Float64",
    "q_value": "Float64",
    "flagged": "boolean",
    "reasons": "string",
    "map": "string",
    "thumbnail": "string",
    "notes": "string",
    "width": "Int64",
    "height": "Int64",
    "error": "string",
    "shard": "Int64",
}
DAMAGED_NOTES = "the notes recorded for this item are damaged"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an item has no score: the name of an error's class, and its message."""

    type: str
    message: str

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """The failure that is kept of a caught error."""
        return cls(**describe(error))


@dataclass(frozen=True, slots=True)
class Reason:
    """One channel's share in a score: how rare its value is among normal images, in words a user can act on."""

    channel: str
    p_value: float | None
    because: str


DAMAGED_ERROR = Failure("RunError", "the error recorded for this item is damaged")
DAMAGED_REASON = Reason("", None, "the reasons recorded for this item are damaged")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a run keeps of one item; None where its command has no value.

    Arguments:
        item: the image's name, `FILE#FRAME` for one of several in a file.
        sha256: of the file.
        group: the unit of exchangeability (patient, study, source video, original file).
        stratum: technical facts that groups are compared within.
        raw: the score; higher is odder.
        p_value: of the image by itself, descriptive where decisions are per group.
        q_value, flagged: of its group.
        reasons: strongest first.
        map, thumbnail: files relative to the run.
        notes: on reading and preparing the image.
        decision: what people decided; no column of the parts.
    """

    item: str
    sha256: str | None = None
    group: str | None = None
    stratum: str | None = None
    raw: float | None = None
    p_value: float | None = None
    q_value: float | None = None
    flagged: bool | None = None
    reasons: tuple[Reason, ...] = ()
    map: str | None = None
    thumbnail: str | None = None
    notes: tuple[str, ...] = ()
    width: int | None = None
    height: int | None = None
    error: Failure | None = None
    shard: int | None = None
    decision: str | None = None

    @property
    def reason(self) -> Reason | None:
        """The strongest reason; None without reasons."""
        return self.reasons[0] if self.reasons else None

    def as_json(self) -> dict[str, Any]:
        """All fields as values that JSON has."""
        return {**{name: getattr(self, name) for name in self.__slots__}, **_as_json(self)}


def failed_row(image: Image | Unreadable, error: OddPixelError) -> Row:
    """The row of an image that failed."""
    return Row(item=image.source, sha256=image.sha256, group=image.group, error=Failure.of(error))


def encoded(row: Row) -> dict[str, Any]:
    """The cells by column, as Parquet keeps them."""
    fields = _as_json(row)
    return {name: _cell(fields.get(name, getattr(row, name)), kind) for name, kind in COLUMNS.items()}


def decoded(cells: Mapping[str, Any]) -> Row:
    """The row that cells hold, whatever is in them; columns that an earlier version did not write may be missing."""
    flagged = cells.get("flagged")
    return Row(
        item=str(cells["item"]),
        sha256=_text(cells.get("sha256")),
        group=_text(cells.get("group")),
        stratum=_text(cells.get("stratum")),
        raw=_number(cells.get("raw")),
        p_value=_number(cells.get("p_value")),
        q_value=_number(cells.get("q_value")),
        flagged=flagged if isinstance(flagged, bool) else None,
        reasons=_reasons(cells.get("reasons")),
        map=_text(cells.get("map")),
        thumbnail=_text(cells.get("thumbnail")),
        notes=_notes(cells.get("notes")),
        width=_count(cells.get("width")),
        height=_count(cells.get("height")),
        error=_failure(cells.get("error")),
        shard=_count(cells.get("shard")),
        decision=_text(cells.get("decision")),
    )


def odd_themselves(rows: Sequence[Row], flagged_up_to: float | None) -> set[str]:
    """Items of flagged groups that are odd by themselves: the others only share their group with one.

    Arguments:
        rows: of a decided run, whole groups.
        flagged_up_to: the largest p-value of a flagged group, as the run's decision has it.
    """
    highest: dict[str | None, float] = {}
    for row in rows:
        if row.raw is not None:
            highest[row.group] = max(row.raw, highest.get(row.group, row.raw))

    def is_odd(row: Row) -> bool:
        is_rare = flagged_up_to is not None and row.p_value is not None and row.p_value <= flagged_up_to
        return bool(row.flagged) and (is_rare or row.raw == highest.get(row.group))

    return {row.item for row in rows if is_odd(row)}


def _as_json(row: Row) -> dict[str, Any]:
    """The fields that are no single value, empty ones as None."""
    return {
        "reasons": [asdict(reason) for reason in row.reasons] or None,
        "notes": list(row.notes) or None,
        "error": None if row.error is None else asdict(row.error),
    }


def _cell(value: Any, kind: str) -> Any:
    """As Parquet keeps it. Raises: TypeError, ValueError on what is not of that kind."""
    if value is None:
        return None
    if kind == "string":
        text = json.dumps(plain(value)) if isinstance(value, dict | list) else str(value)
        return text.encode("utf-8", "backslashreplace").decode()
    return {"Float64": float, "Int64": int, "boolean": bool}[kind](value)


def _text(cell: Any) -> str | None:
    return cell if isinstance(cell, str) else None


def _number(cell: Any) -> float | None:
    return float(cell) if isinstance(cell, int | float) and not isinstance(cell, bool) else None


def _count(cell: Any) -> int | None:
    return cell if isinstance(cell, int) and not isinstance(cell, bool) else None


def _failure(cell: Any) -> Failure | None:
    if not cell:
        return None
    content = _json(cell)
    if not isinstance(content, dict) or not all(isinstance(content.get(name), str) for name in ("type", "message")):
        return DAMAGED_ERROR
    return Failure(content["type"], content["message"])


def _reasons(cell: Any) -> tuple[Reason, ...]:
    if not cell:
        return ()
    content = _json(cell)
    if not isinstance(content, list) or not all(_is_reason(reason) for reason in content):
        return (DAMAGED_REASON,)
    return tuple(Reason(reason.get("channel", ""), reason.get("p_value"), reason["because"]) for reason in content)


def _is_reason(content: Any) -> bool:
    if not isinstance(content, dict) or not isinstance(content.get("because"), str):
        return False
    p_value = content.get("p_value")
    is_number = isinstance(p_value, int | float) and not isinstance(p_value, bool) and math.isfinite(p_value)
    return isinstance(content.get("channel", ""), str) and (p_value is None or is_number)


def _notes(cell: Any) -> tuple[str, ...]:
    if not cell:
        return ()
    content = _json(cell)
    if not isinstance(content, list) or not all(isinstance(note, str) for note in content):
        return (DAMAGED_NOTES,)
    return tuple(content)


def _json(cell: Any) -> Any:
    try:
        return json.loads(cell)
    except (ValueError, TypeError, RecursionError):
        return None
