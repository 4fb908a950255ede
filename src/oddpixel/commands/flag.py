"""`flag`: incoming images against a detector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oddpixel.console import MAX_ROWS, Cell, Coloured, error_cell, print_table, shown
from oddpixel.counting import counted

from .options import (
    AnySuffix,
    AsJson,
    ByShot,
    Confidence,
    DetectorFolder,
    Device,
    DryRun,
    Encoder,
    Every,
    FollowLinks,
    GroupFrom,
    ListLeftOut,
    MaxPixels,
    Overwrite,
    Places,
    ScoringWorkers,
    Strata,
    Title,
)

if TYPE_CHECKING:
    from oddpixel.forensics.runs.rows import Row

GROUP_SHOWN = 16  # characters of a group, which may be a long hash


def flag(
    incoming: Places,
    detector: DetectorFolder,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder for the run: table, maps, report; INCOMING-flagged if not given."),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(help="At most this share of normal groups is flagged; 0.05 if not given.", min=0.0, max=1.0),
    ] = None,
    confidence: Confidence = None,
    fdr: Annotated[
        float | None, typer.Option(help="Instead of --alpha: false alarms among all that is flagged.")
    ] = None,
    strata: Strata = None,
    group_from: GroupFrom = None,
    encoder: Encoder = None,
    device: Device = "cpu",
    maps: Annotated[bool, typer.Option(help="Maps of what looks odd.")] = True,
    expected: Annotated[
        list[str] | None,
        typer.Option(help="Normal images: show what they have where an image looks odd (may be repeated)."),
    ] = None,
    workers: ScoringWorkers = 1,
    dask: Annotated[str | None, typer.Option(help="A Dask scheduler's address, or local.")] = None,
    rank: Annotated[int | None, typer.Option(help="This process among --world (else RANK and WORLD_SIZE).")] = None,
    world: Annotated[int | None, typer.Option(help="How many processes share the run.")] = None,
    fail_on: Annotated[str | None, typer.Option(help="Exit 1 if anything was: flagged, error.")] = None,
    any_suffix: AnySuffix = False,
    every: Every = 1,
    by_shot: ByShot = False,
    max_megapixels: MaxPixels = 150.0,
    follow_links: FollowLinks = False,
    left_out: ListLeftOut = False,
    title: Title = None,
    overwrite: Overwrite = False,
    json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Which of these images are odd, why, where, and at what rate of false alarms. With another alpha, a finished run is only
    decided anew."""
    from oddpixel.console import print_options, shown_progress
    from oddpixel.envelope import envelope
    from oddpixel.errors import Unfinished

    from .ending import check_choice, exit_by, not_read, print_not_read

    check_choice("--fail-on", fail_on, ("flagged", "error"))
    options: dict[str, Any] = {
        "incoming": incoming, "detector": detector, "out": out, "alpha": alpha, "confidence": confidence, "fdr": fdr,
        "strata": strata.split(",") if strata else (), "group_from": group_from, "encoder": encoder, "device": device,
        "maps": maps, "workers": workers, "dask": dask, "rank": rank, "world": world, "any_suffix": any_suffix,
        "every": every, "by_shot": by_shot, "max_megapixels": max_megapixels, "follow_links": follow_links,
        "title": title, "overwrite": overwrite,
    }  # fmt: skip
    if dry_run:
        return print_options("flag", options)
    from oddpixel.api.flag import flag as flag_images

    try:
        with shown_progress() as on_progress:
            found = flag_images(**options, on_progress=on_progress)
    except Unfinished as others:
        print(others)
        return None
    drawn = _expected(found, detector, expected) if expected else []
    if json:
        shown = {"expected": drawn} if expected else {}
        print(envelope("flag", **found.as_json(detector), **shown, **not_read(found.listing)))
    else:
        print_flagged(found)
        print_expected(found.run.path, drawn)
        print_not_read(found.listing, left_out)
    exit_by([row.error for row in found.rows], fail_on == "error")
    if fail_on == "flagged" and any(row.flagged for row in found.rows):
        raise typer.Exit(1)
    return None


def _expected(flagged: Any, detector: Path, normals: list[str]) -> list[dict[str, Any]]:
    from oddpixel.forensics.detect.expected_run import write_expected
    from oddpixel.forensics.detect.store import read_record

    aligned = bool(read_record(detector)["options"].get("aligned"))
    return write_expected(flagged.run, flagged.rows, normals, aligned=aligned)


def print_expected(run: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Print where the expected normals are, or why there is none."""
    for each in records:
        where = run / each["expected"] if each["expected"] else shown(each["error"]["message"])
        print(f"expected normal of {shown(each['item'])}: {where}")


def print_flagged(found: Any) -> None:
    """Print items by oddness with their reasons, and the guarantee of the decision. `found`: a `Flagged`."""
    from oddpixel.forensics.detect.levels import is_usual
    from oddpixel.forensics.runs.rows import odd_themselves

    decisive = odd_themselves(found.rows, found.decision.get("flagged_up_to"))
    is_grouped = len({row.group for row in found.rows}) < len(found.rows)
    columns = ("item", *(["group"] if is_grouped else []), "p", "q", "decision", "why")
    cells = []
    for row in found.rows[:MAX_ROWS]:
        names = [row.item, _shortened(str(row.group))] if is_grouped else [row.item]
        cells.append((*names, *_judged_cells(row, row.item in decisive)))
    print_table(columns, cells)
    if len(found.rows) > MAX_ROWS:
        print(f"... {len(found.rows) - MAX_ROWS} more in the run's table")
    notes = {row.item: [note for note in row.notes if not is_usual(note)] for row in found.rows}
    for line in _note_lines(notes):
        print(shown(line))
    decision = found.decision
    print(f"\n{found.headline()}")
    if power := decision.get("power"):
        print(f"What it finds: {power['text']}.")
    for warning in decision.get("warnings", []):
        print(f"warning: {warning}")
    print(f"run: {found.run.path}; report: {found.run.path / 'index.html'}; look: oddpixel dashboard {found.run.path}")


def _shortened(group: str) -> str:
    return group if len(group) <= GROUP_SHOWN else f"{group[:GROUP_SHOWN]}…"


def _judged_cells(row: Row, is_decisive: bool) -> tuple[Cell, ...]:
    """p, q, decision and why of one row.

    Arguments:
        is_decisive: whether it is itself why its group is flagged (`odd_themselves`).
    """
    if row.error is not None:
        return "-", "-", "not read", error_cell(row.error.type, row.error.message)
    decision: Cell = "not flagged"
    if row.flagged:
        decision = Coloured("flagged", "red") if is_decisive else "in a flagged group"
    why = row.reason.because if is_decisive and row.reason is not None else ""
    return f"{row.p_value:.4f}", f"{row.q_value:.4f}", decision, why


def _note_lines(notes: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """One line for each note, with the items that it is about: of a series all slices have the same.

    Arguments:
        notes: of each item.
    """
    items: dict[str, list[str]] = {}
    for item, said in notes.items():
        for note in said:
            items.setdefault(note, []).append(item)
    for note, about in [*items.items()][:MAX_ROWS]:
        others = f" and {counted(len(about) - 1, 'other')}" if len(about) > 1 else ""
        yield f"note on {about[0]}{others}: {note}"
    if len(items) > MAX_ROWS:
        yield f"... {counted(len(items) - MAX_ROWS, 'more note')} in the run's table"


EXAMPLES = (
    "flag new/ --detector detector",
    "flag new/ --detector detector --alpha 0.01 --confidence 0.95",
    "flag study/ --detector detector --group-from dicom --strata modality,manufacturer --workers 2",
)
COMMAND = flag
