"""`calibrate`: a detector on other normals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddpixel.places import default_folder

from .fit import print_result
from .options import AsJson, Device, Encoder, FollowLinks, GroupFrom, ListLeftOut, Places


def calibrate(
    detector: Annotated[Path, typer.Argument(help="A detector's folder.")],
    normals: Places,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder for the newly calibrated detector; DETECTOR-calibrated if not given."),
    ] = None,
    group_from: GroupFrom = None,
    encoder: Encoder = None,
    device: Device = "cpu",
    follow_links: FollowLinks = False,
    left_out: ListLeftOut = False,
    json: AsJson = False,
) -> None:
    """The same detector calibrated on other normals: another scanner, site or camera. Nothing is learnt anew."""
    from oddpixel.console import shown_progress
    from oddpixel.forensics.detect.flag import Incoming
    from oddpixel.forensics.detect.store import load, save

    out = default_folder((str(detector),), "calibrated") if out is None else out
    loaded = load(detector, encoder, device)
    incoming = Incoming(places=tuple(normals), group_from=group_from, follow_links=follow_links)
    source = incoming.open(num_workers=2)
    source.check_any()
    with shown_progress() as report:
        loaded.calibrate(source, on_progress=report)
    save(loaded, out)
    print_result("calibrate", out, source.listing, left_out, json)


EXAMPLES = ("calibrate detector other-scanner/ -o detector2",)
COMMAND = calibrate
