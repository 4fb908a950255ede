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
PARALLEL = 0.999  # cosine between two slice normals: 2.6 degrees
ALIKE = 1.25  # steps within this factor of each other are one slice distance
COMMON = 0.25  # the smallest distance that at least this share of all steps has is the slice distance
UNEVEN = 0.2  # of a slice distance off a whole number of them


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
    """The slices of the series' main orientation along their normal, then all others by number."""
    main = _main_stack([each for each in slices if "position" in each[1]])
    members = {i for i, _ in main}
    others = [each for each in slices if each[0] not in members]
    notes: dict[str, Any] = {"sorted_by": "position"}
    if main:
        position, normal = np.array([place["position"] for _, place in main]), slice_normal(main[0][1]["orientation"])
        along = position @ normal
        order = sorted(range(len(main)), key=lambda k: (along[k], main[k][1]["instance"], entries[main[k][0]].name))
        main = [main[k] for k in order]
        notes |= geometry(position[order], normal)
    others = sorted(others, key=lambda each: (each[1]["instance"], entries[each[0]].name))
    totals = [place["promised"] for _, place in slices if place.get("promised")]
    lacking = missing([place["instance"] for _, place in slices], max(totals, default=None))
    if main and others:
        notes["other_orientations"] = len(others)
    apart: dict[str, Any] = {"sorted_by": "instance number"}
    if main:
        apart["orientation"] = "not that of most slices of the series"
    described = [*((i, notes | lacking) for i, _ in main), *((i, apart | lacking) for i, _ in others)]
    return [
        replace(entries[i], series={"id": series, "index": k, "num_slices": len(described), **about})
        for k, (i, about) in enumerate(described)
    ]


def _main_stack(placed: list[tuple[int, dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
    """The largest set of parallel slices, the first of equally large ones; none where no two are parallel."""
    stacks: list[list[tuple[int, dict[str, Any]]]] = []
    for each in placed:
        normal = slice_normal(each[1]["orientation"])
        parallel = (stack for stack in stacks if normal @ slice_normal(stack[0][1]["orientation"]) > PARALLEL)
        if (stack := next(parallel, None)) is None:
            stacks.append([each])
        else:
            stack.append(each)
    main = max(stacks, key=len, default=[])
    return main if len(main) > 1 else []


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
    spacing = slice_distance(distinct)
    multiples = np.rint(distinct / spacing)
    missing = int((multiples - 1).clip(0).sum())
    travel = position[-1] - position[0]
    cosine = float(travel @ normal) / max(float(np.linalg.norm(travel)), 1e-12)
    tilt = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    notes |= {"slice_distance_mm": round(spacing, 4), "missing_slices": missing}
    if missing:
        wide = np.flatnonzero((steps > SAME_POSITION_MM) & (np.rint(steps / spacing) > 1))
        notes["gaps_after"] = [int(k) for k in wide]
    if bool((np.abs(distinct / spacing - multiples) > UNEVEN).any()):
        notes["uneven_distances"] = True
    if tilt > TILT_NOTED_DEG:
        notes["gantry_tilt_deg"] = round(tilt, 2)
    return notes


def slice_distance(steps: np.ndarray) -> float:
    """The distance of neighbouring slices: the smallest one that is no exception. Wider steps are gaps.

    The median would take a gap for the rule where few slices are left: at 0, 5 and 15 mm it is 7.5.
    """
    ordered = np.sort(steps)
    for smallest in ordered:
        alike = ordered[(ordered >= smallest) & (ordered <= ALIKE * smallest)]
        if len(alike) >= COMMON * len(ordered):
            return float(np.median(alike))
    return float(np.median(ordered))
