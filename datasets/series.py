"""DICOM slices in the order of anatomy: grouped by series, sorted along the slice normal (PS3.3 C.7.6.2.1.1).

InstanceNumber is what a scanner happened to count; the position is where the slice lies. What is wrong with a series
(slices missing, planes sheared by gantry tilt, positions doubled) is noted in every slice's `meta["series"]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from .completeness import missing
from .entry import Entry
from .formats import known_suffixes
from .reading import Reader
from .sandbox import FileFacts

# Positions are decimal strings of 16 characters: this is far above their rounding, far below any slice distance.
SAME_POSITION_MM = 1e-2
TILT_NOTED_DEG = 0.5


def arrange(entries: Sequence[Entry], reader: Reader) -> list[Entry]:
    """The entries with every DICOM series sorted and put where its first file stood; all others untouched."""
    candidates = [i for i, entry in enumerate(entries) if entry.error is None and _may_be_dicom(entry)]
    if len(candidates) < 2:
        return list(entries)
    found = list(reader.facts([entries[i] for i in candidates]))
    members: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for i, facts in zip(candidates, found, strict=True):
        if isinstance(facts, FileFacts) and facts.place is not None:
            members.setdefault(facts.place["series"], []).append((i, facts.place))
    ordered = {slices[0][0]: _sort_series(series, slices, entries) for series, slices in members.items()}
    moved = {i for slices in members.values() for i, _ in slices}
    arranged: list[Entry] = []
    for i, entry in enumerate(entries):
        arranged += ordered.get(i, [] if i in moved else [entry])
    return arranged


def _may_be_dicom(entry: Entry) -> bool:
    """By name alone: a raster suffix is not one; anything else may be."""
    suffix = PurePosixPath(entry.member or entry.path.name).suffix.lower()
    return known_suffixes().get(suffix, "DICOM") == "DICOM"


def _sort_series(series: str, slices: list[tuple[int, dict[str, Any]]], entries: Sequence[Entry]) -> list[Entry]:
    placed = [(i, place) for i, place in slices if "position" in place]
    if len(placed) < len(slices) or len(placed) < 2:
        ordered = sorted(slices, key=lambda each: (each[1]["instance"], entries[each[0]].name))
        notes: dict[str, Any] = {"sorted_by": "instance number"}
    else:
        position = np.array([place["position"] for _, place in placed])
        normal = slice_normal(placed[0][1]["orientation"])
        along = position @ normal
        order = sorted(
            range(len(placed)), key=lambda k: (along[k], placed[k][1]["instance"], entries[placed[k][0]].name)
        )
        ordered = [placed[k] for k in order]
        notes = {"sorted_by": "position", **geometry(position[order], normal)}
    totals = [place["promised"] for _, place in slices if place.get("promised")]
    notes |= missing([place["instance"] for _, place in slices], max(totals, default=None))
    return [
        replace(entries[i], series={"id": series, "index": k, "num_slices": len(ordered), **notes})
        for k, (i, _) in enumerate(ordered)
    ]


def slice_normal(orientation: Sequence[float]) -> np.ndarray:
    """Row cosines x column cosines."""
    normal = np.cross(orientation[:3], orientation[3:])
    return normal / max(float(np.linalg.norm(normal)), 1e-12)


def geometry(position: np.ndarray, normal: np.ndarray) -> dict[str, Any]:
    """Slice distance, missing and doubled slices, and the tilt of a sorted stack.

    Arguments:
        position: `[n, 3]` in mm, sorted along `normal`.
    """
    steps = np.diff(position @ normal)
    distinct = steps[steps > SAME_POSITION_MM]
    notes: dict[str, Any] = {"doubled_positions": int((steps <= SAME_POSITION_MM).sum())}
    if len(distinct) == 0:
        return notes
    spacing = float(np.median(distinct))
    missing = int((np.rint(distinct / spacing) - 1).clip(0).sum())
    travel = position[-1] - position[0]
    cosine = float(travel @ normal) / max(float(np.linalg.norm(travel)), 1e-12)
    tilt = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    notes |= {"slice_distance_mm": round(spacing, 4), "missing_slices": missing}
    if tilt > TILT_NOTED_DEG:
        notes["gantry_tilt_deg"] = round(tilt, 2)
    return notes
