"""`fit`, `flag`, `calibrate`, `watch`: the commands of the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from oddpixel.cli_options import (
    AnySuffix,
    AsJson,
    ByShot,
    DryRun,
    Every,
    FollowLinks,
    ListLeftOut,
    MaxPixels,
    Overwrite,
    Places,
)

if TYPE_CHECKING:
    from oddpixel.datasets.listing import Listing

DetectorFolder = Annotated[Path, typer.Option("--detector", help="A detector's folder, as `oddpixel fit` writes it.")]
Encoder = Annotated[
    str | None, typer.Option(help="efficientnet-lite0, or package.module:function of your own (it is run).")
]
GroupFrom = Annotated[
    str | None,
    typer.Option(help="What is exchangeable: folder, csv, dicom or file; where not given, as the source says."),
]
Alpha = Annotated[float, typer.Option(help="At most this share of normal groups is flagged.", min=0.0, max=1.0)]
Confidence = Annotated[
    float | None, typer.Option(help="The same for this very calibration, with this confidence.", min=0.0, max=1.0)
]
Strata = Annotated[str | None, typer.Option(help="Compare within: modality, manufacturer, model, format; with commas.")]
Workers = Annotated[int, typer.Option(help="Scoring processes.", min=1)]


def add_commands(app: typer.Typer) -> None:
    for command in (fit, flag, calibrate, watch):
        app.command()(command)


def fit(
    normals: Places,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the detector.")],
    model: Annotated[str, typer.Option(help="A pyramid: photo-rgb, photo-grey, ct, or a folder.")] = "photo-grey",
    encoder: Encoder = None,
    group_from: GroupFrom = None,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="The same place shows the same thing in all (anatomy, a fixed camera).")
    ] = False,
    side: Annotated[int, typer.Option(help="Reduce images to this longer side.", min=32)] = 512,
    channels: Annotated[str | None, typer.Option(help="Names, with commas; all that apply where not given.")] = None,
    calibration_share: Annotated[float, typer.Option(help="Of the groups; the others are fitted to.")] = 0.5,
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
    """Learn what is normal from normal images alone; half of the groups calibrate. Seconds to minutes on a processor.

    Roles and labels of a source (mvtec:, imagefolder:, a manifest, a corpus) are obeyed: only normal images for training are
    taken, and it is said which."""
    from oddpixel.console import print_options, progress
    from oddpixel.forensics.detect.detector import Detector
    from oddpixel.forensics.detect.flag import Incoming
    from oddpixel.forensics.detect.store import save

    named = None if channels is None else [name.strip() for name in channels.split(",")]
    options: dict[str, Any] = {"model": model, "encoder": encoder, "side": side, "aligned": aligned, "channels": named}
    options |= {"calibration_share": calibration_share, "seed": seed, "normal_labels": normal_label}
    incoming = Incoming(
        places=tuple(normals), group_from=group_from, any_suffix=any_suffix, every=every, by_shot=by_shot,
        max_megapixels=max_megapixels, follow_links=follow_links,
    )  # fmt: skip
    if dry_run:
        return print_options("fit", {"normals": normals, "out": out, "group_from": group_from, **options})
    detector = Detector(**options)
    source = incoming.open(num_workers=2)
    source.check_any()
    with progress("reading normals", len(source)) as advance:
        detector.fit(source, on_item=advance)
    save(detector, out)
    _print_fitted("fit", out, source.listing, left_out, json)
    return None


def flag(
    incoming: Places,
    detector: DetectorFolder,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the run: table, maps, report.")],
    alpha: Alpha = 0.05,
    confidence: Confidence = None,
    fdr: Annotated[
        float | None, typer.Option(help="Instead of --alpha: false alarms among all that is flagged.")
    ] = None,
    strata: Strata = None,
    group_from: GroupFrom = None,
    encoder: Encoder = None,
    maps: Annotated[bool, typer.Option(help="Maps of what looks odd.")] = True,
    workers: Workers = 1,
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
    overwrite: Overwrite = False,
    json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Which of these images are odd, why, where, and at what rate of false alarms. With another alpha, a finished run is only
    decided anew."""
    from oddpixel.cli_ending import check_choice, exit_by, not_read, print_not_read
    from oddpixel.console import print_flagged, print_options, progress
    from oddpixel.envelope import envelope
    from oddpixel.forensics.detect.decide import Rule
    from oddpixel.forensics.detect.flag import Incoming, flag_into
    from oddpixel.forensics.executors import executor

    check_choice("--fail-on", fail_on, ("flagged", "error"))
    rule = Rule(alpha=alpha, confidence=confidence, fdr=fdr, strata=tuple((strata or "").split(",")) if strata else ())
    given = Incoming(
        places=tuple(incoming), group_from=group_from, any_suffix=any_suffix, every=every, by_shot=by_shot,
        max_megapixels=max_megapixels, follow_links=follow_links,
    )  # fmt: skip
    if dry_run:
        return print_options("flag", {"incoming": vars(given), "detector": detector, "rule": vars(rule), "out": out})
    source = given.open()
    with progress("flagging", len(source)) as advance:
        found = flag_into(
            out, given, detector, rule, encoder=encoder, executor=executor(workers, dask, rank, world), maps=maps,
            source=source, overwrite=overwrite, on_item=advance,
        )  # fmt: skip
    if found is None:
        print(f"{out}: this rank is done; the last one to finish decides")
        return None
    if json:
        print(envelope("flag", decision=found.decision, items=found.rows, **not_read(source.listing)))
    else:
        print_flagged(found)
        print_not_read(source.listing, left_out)
    exit_by(found.rows, fail_on == "error")
    if fail_on == "flagged" and any(row["flagged"] for row in found.rows):
        raise typer.Exit(1)
    return None


def calibrate(
    detector: Annotated[Path, typer.Argument(help="A detector's folder.")],
    normals: Places,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the newly calibrated detector.")],
    group_from: GroupFrom = None,
    encoder: Encoder = None,
    follow_links: FollowLinks = False,
    left_out: ListLeftOut = False,
    json: AsJson = False,
) -> None:
    """The same detector calibrated on other normals: another scanner, site or camera. Nothing is learnt anew."""
    from oddpixel.console import progress
    from oddpixel.forensics.detect.flag import Incoming
    from oddpixel.forensics.detect.store import load, save

    loaded = load(detector, encoder)
    incoming = Incoming(places=tuple(normals), group_from=group_from, follow_links=follow_links)
    source = incoming.open(num_workers=2)
    source.check_any()
    with progress("calibrating", len(source)) as advance:
        loaded.calibrate(source, on_item=advance)
    save(loaded, out)
    _print_fitted("calibrate", out, source.listing, left_out, json)


def watch(
    folder: Annotated[Path, typer.Argument(help="Where images arrive.")],
    detector: DetectorFolder,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the run; a watch in it is taken up again.")],
    alpha: Alpha = 0.05,
    confidence: Confidence = None,
    encoder: Encoder = None,
    seconds: Annotated[float, typer.Option(help="Between two looks.", min=0.1)] = 2.0,
    until_idle: Annotated[
        float | None, typer.Option(help="Stop once nothing has arrived for so many seconds; never where not given.")
    ] = None,
    left_out: ListLeftOut = False,
) -> None:
    """Flag images as they arrive, each exactly once, also across restarts, and again when a file changes; each is decided on by
    itself."""
    from oddpixel.cli_ending import exit_by, print_not_read
    from oddpixel.console import print_arrival
    from oddpixel.datasets.listing import LeftOut, Listing
    from oddpixel.forensics.detect.decide import Rule
    from oddpixel.forensics.detect.watch import watch_folder
    from oddpixel.forensics.runs import Run

    rule = Rule(alpha=alpha, confidence=confidence)
    errors = []
    for arrival in watch_folder(folder, detector, out, rule, encoder=encoder, seconds=seconds, until_idle=until_idle):
        print_arrival(arrival)
        errors.append({"error": arrival.row.get("error")})
    print_not_read(Listing(left_out=tuple(LeftOut(**each) for each in Run.open(out).record["left_out"])), left_out)
    if errors:
        exit_by(errors)


def _print_fitted(command: str, out: Path, listing: Listing, left_out: bool, json: bool) -> None:
    """In JSON the images that were read but not learnt from are `images_left_out`, files that were not read `left_out`."""
    from oddpixel.cli_ending import not_read, print_not_read
    from oddpixel.console import print_fitted
    from oddpixel.envelope import envelope
    from oddpixel.forensics.detect.store import read_record

    record = read_record(out)
    if json:
        content = {**record, "images_left_out": record["left_out"], **not_read(listing)}
        print(envelope(command, detector=str(out), **content))
    else:
        print_fitted(record, out)
        print_not_read(listing, left_out)
