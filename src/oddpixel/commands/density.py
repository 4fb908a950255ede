"""`density`: the likelihood of images."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from oddpixel.console import Cell, error_cell, print_table

from .options import AnySuffix, AsJson, Device, FailOnError, FollowLinks, ListLeftOut, Places, Workers


def density(
    files: Places,
    model: Annotated[
        str, typer.Option("--model", help="A model folder, or the name of a bundled model.")
    ] = "photo-rgb",
    identity: Annotated[
        bool, typer.Option("--identity", help="Cross-check with the model's own denoiser (slow).")
    ] = False,
    maps: Annotated[
        Path | None,
        typer.Option("--map", help="Folder for maps of where each image is unlikely, on an absolute scale."),
    ] = None,
    bf16: Annotated[
        bool, typer.Option("--bf16", help="Pyramids: inner layers in bf16, faster where the processor has it.")
    ] = False,
    device: Device = "cpu",
    json: AsJson = False,
    workers: Workers = 2,
    any_suffix: AnySuffix = False,
    follow_links: FollowLinks = False,
    left_out: ListLeftOut = False,
    fail_on: FailOnError = None,
) -> None:
    """The likelihood of each image under a density model, in bits per dimension: one forward pass."""
    from oddpixel.api.density import density as measure
    from oddpixel.console import shown_progress
    from oddpixel.envelope import envelope

    from .ending import check_choice, exit_by, failures, not_read, print_not_read

    check_choice("--fail-on", fail_on, ("error",))
    with shown_progress() as on_progress:
        found = measure(
            files, model, identity=identity, maps=maps, bf16=bf16, device=device, workers=workers, any_suffix=any_suffix,
            follow_links=follow_links, on_progress=on_progress,
        )  # fmt: skip
    if json:
        print(envelope("density", model=model, items=found.items, **not_read(found.listing)))
    else:
        print_density(found.items)
        if maps is not None:
            print(f"maps: {maps}, named after the hashes of the files; brightest: 12 bits a sample", file=sys.stderr)
        print_not_read(found.listing, left_out)
    exit_by(failures(found.items), fail_on == "error")


def print_density(items: Sequence[Mapping[str, Any]]) -> None:
    """Print a row per image: bits per dimension by one pass and by the identity."""
    columns = ("item", "bits/dim", "by identity", "nats", "dims", "notes")
    print_table(columns, [_density_cells(item) for item in items])


def _density_cells(item: Mapping[str, Any]) -> tuple[Cell, ...]:
    if item["error"]:
        return item["item"], "-", "-", "-", "-", error_cell(**item["error"])
    identity = item["identity_bits_per_dim"]
    cross_check = "-" if identity is None else f"{identity:.3f}"
    measured = f"{item['bits_per_dim']:.3f}", cross_check, f"{item['nats']:.1f}", str(item["dims"])
    return item["item"], *measured, "; ".join(item["notes"])


EXAMPLES = (
    "density photos/",
    "density photos/ --model photo-rgb --map maps",
    "density digit.png --model digits --identity",
)
COMMAND = density
