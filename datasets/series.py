"""DICOM slices in the order of anatomy: grouped by series, sorted along the slice normal (PS3.3 C.7.6.2.1.1).

InstanceNumber is what a scanner happened to count; the position is where the slice lies. What is wrong with a series
(slices missing, distances irregular, planes sheared by gantry tilt, positions doubled) is noted in every slice's
`meta["series"]`, and in sentences (`series_words`) in its notes.
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
UNEVEN = 0.1  # of a slice distance off a whole number of them is no gap, but an irregular distance ...
UNEVEN_BY_STEP = 0.01  # ... and this much more for each slice distance in it, since that is known no better


def arrange(entries: Sequence[Entry], reader: Reader) -> list[Entry]:
    """Sort every DICOM series along its slice normal and put it where its first file stood; other entries keep their order."""
    candidates = [i for i, entry in enumerate(entries) if entry.error is None and _may_be_dicom(entry)]
    if len(candidates) < 2:
        return list(entries)
    headers = list(reader.facts([entries[i] for i in candidates]))
    members: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for i, facts in zip(candidates, headers, strict=True):
        if isinstance(facts, FileFacts) and facts.place is not None:
            members.setdefault(facts.place["series"], []).append((i, facts.place))
    ordered = {slices[0][0]: _sort_series(series, slices, entries) for series, slices in members.items()}
    moved = {i for slices in members.values() for i, _ in slices}
    arranged: list[Entry] = []
    for i, entry in enumerate(entries):
        arranged += ordered.get(i, [] if i in moved else [entry])
    return arranged


def _may_be_dicom(entry: Entry) -> bool:
    """Whether the name allows DICOM: a suffix of another format does not."""
    suffix = PurePosixPath(entry.member or entry.path.name).suffix.lower()
    return known_suffixes().get(suffix, "DICOM") == "DICOM"


def _sort_series(series: str, slices: list[tuple[int, dict[str, Any]]], entries: Sequence[Entry]) -> list[Entry]:
    """The slices of the series' main orientation along their normal, then all others by number."""
    main = _main_stack([member for member in slices if "position" in member[1]])
    members = {i for i, _ in main}
    others = [member for member in slices if member[0] not in members]
    notes: dict[str, Any] = {"sorted_by": "position"}
    if main:
        position, normal = np.array([place["position"] for _, place in main]), slice_normal(main[0][1]["orientation"])
        along = position @ normal
        order = sorted(range(len(main)), key=lambda k: (along[k], main[k][1]["instance"], entries[main[k][0]].name))
        main = [main[k] for k in order]
        unplaced = [place["instance"] for _, place in others if "position" not in place]
        notes |= geometry(position[order], normal, [place["instance"] for _, place in main], unplaced)
    others = sorted(others, key=lambda member: (member[1]["instance"], entries[member[0]].name))
    totals = [place["promised"] for _, place in slices if place.get("promised")]
    absent = missing([place["instance"] for _, place in slices], max(totals, default=None))
    places = [place for _, place in slices]
    common = absent | _shared_uids(places) | _rasters(places) | _counts(others, bool(main))
    described = [
        *((i, notes | common) for i, _ in main),
        *((i, _apart(place, bool(main)) | common) for i, place in others),
    ]
    return [
        replace(entries[i], series={"id": series, "index": k, "num_slices": len(described), **notes_of_slice})
        for k, (i, notes_of_slice) in enumerate(described)
    ]


def _counts(others: list[tuple[int, dict[str, Any]]], has_main: bool) -> dict[str, int]:
    """How many images lie otherwise than most of their series, or nowhere; none of a series that has no positions at all."""
    unplaced = sum("position" not in place for _, place in others)
    placed = len(others) - unplaced
    counts = {
        "other_orientations": placed if has_main else 0,
        "without_position": unplaced if has_main or placed else 0,
    }
    return {name: count for name, count in counts.items() if count}


def _apart(place: dict[str, Any], has_main: bool) -> dict[str, Any]:
    """About an image that is not in the stack."""
    notes: dict[str, Any] = {"sorted_by": "instance number"}
    if has_main and "position" in place:
        notes["orientation"] = "not that of most slices of the series"
    elif has_main:
        notes["position"] = "none"
    return notes


def _shared_uids(places: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many images have the SOPInstanceUID of an earlier one, which is to be unique (PS3.3 C.12.1)."""
    uids = [place["uid"] for place in places if "uid" in place]
    shared = len(uids) - len({*uids})
    return {"shared_instance_uids": shared} if shared else {}


def _rasters(places: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Sizes and pixel distances, where they are not those of all images: then no two of these are the same place."""
    rasters = sorted({place["raster"] for place in places if "raster" in place})
    return {"rasters": rasters} if len(rasters) > 1 else {}


def _main_stack(placed: list[tuple[int, dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
    """The largest set of parallel slices, the first of equally large ones; none where no two are parallel."""
    stacks: list[list[tuple[int, dict[str, Any]]]] = []
    for member in placed:
        normal = slice_normal(member[1]["orientation"])
        parallel = (stack for stack in stacks if normal @ slice_normal(stack[0][1]["orientation"]) > PARALLEL)
        if (stack := next(parallel, None)) is None:
            stacks.append([member])
        else:
            stack.append(member)
    main = max(stacks, key=len, default=[])
    return main if len(main) > 1 else []


def slice_normal(orientation: Sequence[float]) -> np.ndarray:
    """Unit normal of the slice plane: row cosines x column cosines."""
    normal = np.cross(orientation[:3], orientation[3:])
    return normal / max(float(np.linalg.norm(normal)), 1e-12)


def geometry(
    position: np.ndarray, normal: np.ndarray, numbers: Sequence[int] = (), unplaced: Sequence[int] = ()
) -> dict[str, Any]:
    """Slice distance, missing slices, doubled positions, irregular distances and the tilt of a sorted stack.

    Arguments:
        position: `[n, 3]` in mm, sorted along `normal`.
        numbers: what the scanner counted the slices as.
        unplaced: the numbers of slices that are here without a position: they are not missing.
    """
    steps = np.diff(position @ normal)
    is_step = steps > SAME_POSITION_MM
    notes: dict[str, Any] = {"doubled_positions": _num_doubled(is_step)}
    if not is_step.any():
        return notes
    distinct = steps[is_step]
    spacing = _distance_by_numbers(steps, numbers) or slice_distance(distinct)
    multiples = np.rint(steps / spacing)
    is_irregular = is_step & (np.abs(steps / spacing - multiples) > UNEVEN + UNEVEN_BY_STEP * multiples)
    is_gap = is_step & ~is_irregular & (multiples > 1)
    gaps = np.flatnonzero(is_gap).tolist()
    num_missing = {k: int(multiples[k]) - 1 - _num_between(numbers, k, unplaced) for k in gaps}
    num_missing = {k: number for k, number in num_missing.items() if number > 0}
    travel = position[-1] - position[0]
    cosine = float(travel @ normal) / max(float(np.linalg.norm(travel)), 1e-12)
    tilt = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    notes |= {"slice_distance_mm": round(spacing, 4), "missing_slices": sum(num_missing.values())}
    if num_missing:
        notes["gaps_after"] = [*num_missing]
    if is_irregular.any():
        extremes = (min(spacing, steps[is_irregular].min()), max(spacing, steps[is_irregular].max()))
        notes["slice_distances_mm"] = [round(float(extreme), 4) for extreme in extremes]
    if tilt > TILT_NOTED_DEG:
        notes["gantry_tilt_deg"] = round(tilt, 2)
    return notes


def _num_doubled(is_step: np.ndarray) -> int:
    """How many positions more than one slice has: runs of slices without a step between them."""
    stays = np.concatenate([[False], ~is_step])
    return int((stays[1:] & ~stays[:-1]).sum())


def _num_between(numbers: Sequence[int], k: int, unplaced: Sequence[int]) -> int:
    """How many of the unplaced slices have a number between those of slices k and k + 1."""
    if len(numbers) <= k + 1:
        return 0
    low, high = sorted(numbers[k : k + 2])
    return sum(low < number < high for number in unplaced)


def _distance_by_numbers(steps: np.ndarray, numbers: Sequence[int]) -> float | None:
    """The distance for each number, where all steps agree on it: so it is known however few slices are left.

    None where slices share a position or a number, or where numbers and positions tell different stories.
    """
    counts = np.abs(np.diff(numbers)) if len(numbers) == len(steps) + 1 else np.zeros(0)
    if not len(counts) or len({*numbers}) < len(numbers) or not (steps > SAME_POSITION_MM).all():
        return None
    by_number = steps / counts
    distance = float(np.median(by_number))
    return distance if bool((np.abs(by_number - distance) <= UNEVEN * distance).all()) else None


def slice_distance(steps: np.ndarray) -> float:
    """The distance of neighbouring slices: the smallest step that is no exception. Wider steps are gaps.

    The median would take a gap for the rule where few slices are left: at 0, 5 and 15 mm it is 7.5.
    """
    ordered = np.sort(steps)
    for smallest in ordered:
        alike = ordered[(ordered >= smallest) & (ordered <= ALIKE * smallest)]
        if len(alike) >= COMMON * len(ordered):
            return float(np.median(alike))
    return float(np.median(ordered))
