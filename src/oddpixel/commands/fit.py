"""`fit`: a detector from normal images."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oddpixel.console import print_rows, shown
from oddpixel.places import default_folder

if TYPE_CHECKING:
    from oddpixel.datasets.listing import Listing

from oddpixel.counting import counted

from .options import (
    AnySuffix,
    AsJson,
    ByShot,
    Device,
    DryRun,
    Encoder,
    Every,
    FollowLinks,
    GroupFrom,
    ListLeftOut,
    MaxPixels,
    Places,
)


def fit(
    normals: Places,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the detector; NORMALS-detector if not given.")
    ] = None,
    model: Annotated[str, typer.Option(help="A pyramid: photo-rgb, photo-grey, ct, or a folder.")] = "photo-grey",
    encoder: Encoder = "efficientnet-lite0",
    device: Device = "cpu",
    group_from: GroupFrom = None,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The same place shows the same thing in all (anatomy, a fixed camera).")
    ] = False,
    side: Annotated[int, typer.Option(help="Reduce images to this longer side.", min=32)] = 768,
    channels: Annotated[str | None, typer.Option(help="Names, with commas; all that apply where not given.")] = None,
    calibration_share: Annotated[
        float | None,
        typer.Option(help="Of the groups; scales are learned from the others. Three fifths if not given."),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Plant no anomalies: fuse all channels, and say nothing of what is found.")
    ] = False,
    normal_label: Annotated[
        list[str] | None,
        typer.Option(
            help="What the source's labels call normal (may be repeated); good, normal, ok, ... if not given."
        ),
    ] = None,
    seed: int = 0,
    any_suffix: AnySuffix = False,
    every: Every = 1,
    by_shot: ByShot = False,
    max_megapixels: MaxPixels = 150.0,
    follow_links: FollowLinks = False,
    left_out: ListLeftOut = False,
    json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Learn what is normal from normal images alone: all are remembered, most calibrate. Seconds to minutes on a processor.

    Roles and labels of a source (mvtec:, imagefolder:, a manifest, a corpus) are obeyed: only normal images for training are
    taken, and it is said which."""
    from oddpixel.console import print_options, shown_progress
    from oddpixel.forensics.detect.detector import Detector
    from oddpixel.forensics.detect.flag import Incoming
    from oddpixel.forensics.detect.store import save

    out = default_folder(normals, "detector") if out is None else out
    named = None if channels is None else [name.strip() for name in channels.split(",")]
    options: dict[str, Any] = {
        "model": model,
        "encoder": None if encoder == "none" else encoder,
        "device": device,
        "side": side,
        "aligned": aligned,
        "channels": named,
    }
    options |= {
        "calibration_share": calibration_share,
        "chooses": not quick,
        "seed": seed,
        "normal_labels": normal_label,
    }
    incoming = Incoming(
        places=tuple(normals), group_from=group_from, any_suffix=any_suffix, every=every, by_shot=by_shot,
        max_megapixels=max_megapixels, follow_links=follow_links,
    )  # fmt: skip
    if dry_run:
        return print_options("fit", {"normals": normals, "out": out, "group_from": group_from, **options})
    if (out / "detector.json").is_file():
        print(f"{out} holds a detector, which this one will replace", file=sys.stderr)
    detector = Detector(**options)
    source = incoming.open(num_workers=2)
    source.check_any()
    with shown_progress() as report:
        detector.fit(source, on_progress=report)
    detector.group_from_ = group_from
    save(detector, out)
    print_result("fit", out, source.listing, left_out, json)
    return None


def print_result(command: str, out: Path, listing: Listing, left_out: bool, json: bool) -> None:
    """Print the fitted detector and what was left out.

    In JSON the images that were read but not learnt from are `images_left_out`, files that were not read `left_out`.
    """
    from oddpixel.envelope import envelope
    from oddpixel.forensics.detect.store import read_record

    from .ending import not_read, print_not_read

    record = read_record(out)
    if json:
        content = {**record, "images_left_out": record["left_out"], **not_read(listing)}
        print(envelope(command, detector=str(out), **content))
    else:
        _print_record(record, out)
        print_not_read(listing, left_out)


def _print_record(record: Mapping[str, Any], out: Path) -> None:
    """What a detector rests on, and how many normals each promise needs."""
    from oddpixel.forensics.detect.card import promises
    from oddpixel.forensics.detect.guarantee import rate_text
    from oddpixel.forensics.detect.levels import Levels
    from oddpixel.forensics.detect.training_images import in_words

    print(
        f"{out}: remembers {counted(len(record['fitted_on']), 'image')}, calibrated on "
        f"{counted(record['num_calibration_images'], 'image')} in {counted(record['num_calibration_groups'], 'group')}; "
        f"channels: {', '.join(record['channels'])}\n"
    )
    if chosen := in_words(record["selection"]):
        print(chosen)
    if (learned := record["levels"]["learned"]) is not None:
        print(f"black to white in unit {learned['unit']}: {Levels.of_json(learned)}")
    for entry in record["left_out"]:
        print(shown(f"left out: {entry}"))
    for doubt in record["doubts"]:
        print(shown(f"warning: {doubt}"))
    if record["doubts"]:
        return
    print_rows("what it can promise", promises(int(record["num_calibration_groups"])))
    if power := record["power"]:
        print(f"\nwhat it finds with --alpha {rate_text(power['alpha'])}: {power['text']}.")


EXAMPLES = (
    "fit good/ -o detector",
    "fit study/ -o detector --group-from dicom --aligned",
    "fit mvtec:screws -o detector",
)
COMMAND = fit
