"""What the viewer says beside a case's picture: scores, reasons, what the run promises and would find, why there is no map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oddpixel.forensics.runs.heat_map import MAPS_UP_TO
from oddpixel.forensics.runs.rows import Row

from .library import OpenRun
from .similar import most_alike

REASONS_SHOWN = 6


def of_run(run: OpenRun) -> dict[str, Any]:
    """What holds for every case of a run: its kind, promise, statement of power, and the rule for maps."""
    decision = run.run.record.get("decision") or {}
    return {
        "kind": run.run.record["kind"],
        "promise": decision.get("promise") or None,
        "power": (decision.get("power") or {}).get("text"),
        "threshold": decision.get("map_threshold"),
        "places": decision.get("map_places"),
    }


def of_case(run: OpenRun, row: Row) -> dict[str, Any]:
    """What is said of one item."""
    shown = ("item", "group", "p_value", "q_value", "raw", "flagged", "notes")
    return {
        **{name: getattr(row, name) for name in shown},
        "error": None if row.error is None else row.error.message,
        "reasons": [
            {"channel": reason.channel, "p_value": reason.p_value, "because": reason.because}
            for reason in row.reasons[:REASONS_SHOWN]
        ],
        "no_map": why_no_map(run, row),
    }


def why_no_map(run: OpenRun, row: Row) -> str | None:
    """Why no map of an item is in its run, as far as the run says; None where there is one, or the item has an error."""
    record = run.run.record
    if row.map is not None or row.error is not None:
        return None
    if record["kind"] != "flag":
        return f"Runs of kind {record['kind']} have no maps."
    if not record["options"].get("maps", True):
        return "This run was made without maps."
    if row.thumbnail is None:
        return "The map is withheld, as the thumbnail is: the picture may show text, such as a name."
    if row.p_value is not None and row.p_value > MAPS_UP_TO:
        return f"No map was kept: maps are kept of images that, by themselves, have p up to {MAPS_UP_TO:g}."
    return "No map of it is in this run."


def normals_of(run: OpenRun, row: Row) -> list[dict[str, Any]]:
    """The unflagged items that look most like it, to compare it with."""
    return [
        {"item": alike.item, "thumbnail": Path(alike.thumbnail).stem, "correlation": alike.correlation}
        for alike in most_alike(run, row.item)
    ]
