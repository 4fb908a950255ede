"""`inspect`: what images are, without judging them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from oddpixel.console import Cell, error_cell, print_table
from oddpixel.counting import counted

from .options import (
    AnySuffix,
    AsJson,
    ByShot,
    DryRun,
    Every,
    FailOnError,
    FollowLinks,
    ListLeftOut,
    MaxPixels,
    Overwrite,
    Places,
    Workers,
)


def inspect(
    files: Places,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write a run: table, thumbnails, contact sheet.")
    ] = None,
    json: AsJson = False,
    workers: Workers = 2,
    any_suffix: AnySuffix = False,
    every: Every = 1,
    by_shot: ByShot = False,
    max_megapixels: MaxPixels = 150.0,
    follow_links: FollowLinks = False,
    left_out: ListLeftOut = False,
    fail_on: FailOnError = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
) -> None:
    """Read images safely and say what they are: format, size, bits, hashes, technical metadata."""
    from oddpixel.console import print_options, progress
    from oddpixel.datasets.limits import Limits
    from oddpixel.datasets.source import open_source
    from oddpixel.envelope import envelope
    from oddpixel.forensics.inspection.inspect import inspect_into, inspect_source

    from .ending import check_choice, exit_by, failures, not_read, print_not_read

    check_choice("--fail-on", fail_on, ("error",))
    options = {"any_suffix": any_suffix, "every": every, "by_shot": by_shot, "max_megapixels": max_megapixels}
    options |= {"follow_links": follow_links}
    if dry_run:
        return print_options("inspect", {"files": files, "workers": workers, **options})
    limits = Limits(max_pixels=int(max_megapixels * 1e6))
    source = open_source(
        *files, limits=limits, num_workers=workers, any_suffix=any_suffix, every=every, by_shot=by_shot,
        follow_links=follow_links,
    )  # fmt: skip
    with progress("reading", len(source)) as advance:
        if out is None:
            items = inspect_source(source, advance)
        else:
            items = inspect_into(out, source, options, advance, places=files, overwrite=overwrite)
    if json:
        print(envelope("inspect", items=items, **not_read(source.listing)))
    else:
        print_inspection(items, out)
        print_not_read(source.listing, left_out)
    exit_by(failures(items), fail_on == "error")
    return None


def print_inspection(items: Sequence[Mapping[str, Any]], out: Path | None) -> None:
    """Print a row per image, and how many could not be read."""
    columns = ("item", "format", "size", "bits", "unit", "spacing mm", "sha256", "notes")
    print_table(columns, [_inspected_cells(item) for item in items])
    bad = sum(1 for item in items if item["error"])
    print(f"\n{len(items) - bad} read, {bad} not readable" + (f"; contact sheet: {out / 'index.html'}" if out else ""))


def _inspected_cells(item: Mapping[str, Any]) -> tuple[Cell, ...]:
    from oddpixel.image import spacing_as_size

    sha256 = (item["sha256"] or "")[:12]
    if item["error"]:
        return item["item"], "-", "-", "-", "-", "-", sha256, error_cell(**item["error"])
    size = f"{item['width']} x {item['height']}" + (f" x {item['channels']}" if item["channels"] > 1 else "")
    pixels = item["meta"]["format"], size, str(item["bits"]), item["unit"], spacing_as_size(item["spacing_mm"])
    return item["item"], *pixels, sha256, _notes(item["meta"])


def _notes(meta: dict[str, Any]) -> str:
    """What a reader should know about these pixels, in a few words."""
    notes = [str(meta[name]) for name in ("modality", "model", "transfer_syntax") if name in meta]
    notes += [f"{name} {meta[name]}" for name in ("alpha", "converted_from") if name in meta]
    if "used_bits" in meta:
        notes.append(f"only {counted(meta['used_bits'], 'bit')} used")
    return ", ".join([*notes, *meta.get("notes", [])])


EXAMPLES = (
    "inspect scans/",
    "inspect photos/*.jpg study.zip -o run",
    "inspect corpus:photographs/test --json",
)
COMMAND = inspect
