"""`fit`, `flag`, `calibrate`, `watch`: the commands of the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from oddpixel.cli_options import AnySuffix, AsJson, ByShot, DryRun, Every, MaxPixels, Overwrite, Places

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
    json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Learn what is normal from normal images alone; half of the groups calibrate. Seconds to minutes on a processor.

    Roles and labels of a source (mvtec:, imagefolder:, a manifest, a corpus) are obeyed: only normal images for training are
    taken, and it is said which."""
    from oddpixel.console import print_fitted, print_options, progress
    from oddpixel.envelope import envelope
    from oddpixel.forensics.detect.detector import Detector
    from oddpixel.forensics.detect.flag import Incoming
    from oddpixel.forensics.detect.store import read_record, save

    named = None if channels is None else [name.strip() for name in channels.split(",")]
    options: dict[str, Any] = {"model": model, "encoder": encoder, "side": side, "aligned": aligned, "channels": named}
    options |= {"calibration_share": calibration_share, "seed": seed, "normal_labels": normal_label}
    incoming = Incoming(
        places=tuple(normals), group_from=group_from, any_suffix=any_suffix, every=every, by_shot=by_shot,
        max_megapixels=max_megapixels,
    )  # fmt: skip
    if dry_run:
        return print_options("fit", {"normals": normals, "out": out, "group_from": group_from, **options})
    detector = Detector(**options)
    source = incoming.open(num_workers=2)
    with progress("reading normals", len(source)) as advance:
        detector.fit(source, on_item=advance)
    save(detector, out)
    record = read_record(out)
    print(envelope("fit", detector=str(out), **record)) if json else print_fitted(record, out)
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
    overwrite: Overwrite = False,
    json: AsJson = False,
    dry_run: DryRun = False,
) -> None:
    """Which of these images are odd, why, where, and at what rate of false alarms. With another alpha, a finished run is only
    decided anew."""
    from oddpixel.console import print_flagged, print_options, progress
    from oddpixel.envelope import envelope
    from oddpixel.errors import UsageError
    from oddpixel.forensics.detect.decide import Rule
    from oddpixel.forensics.detect.flag import Incoming, flag_into
    from oddpixel.forensics.executors import executor

    if fail_on not in (None, "flagged", "error"):
        raise UsageError(f"--fail-on takes flagged or error, got {fail_on!r}")
    rule = Rule(alpha=alpha, confidence=confidence, fdr=fdr, strata=tuple((strata or "").split(",")) if strata else ())
    given = Incoming(
        places=tuple(incoming), group_from=group_from, any_suffix=any_suffix, every=every, by_shot=by_shot,
        max_megapixels=max_megapixels,
    )  # fmt: skip
    if dry_run:
        return print_options("flag", {"incoming": vars(given), "detector": detector, "rule": vars(rule), "out": out})
    with progress("flagging", len(given.open())) as advance:
        found = flag_into(
            out, given, detector, rule, encoder=encoder, executor=executor(workers, dask, rank, world), maps=maps,
            overwrite=overwrite, on_item=advance,
        )  # fmt: skip
    if found is None:
        print(f"{out}: this rank is done; the last one to finish decides")
        return None
    print(envelope("flag", decision=found.decision, items=found.rows)) if json else print_flagged(found)
    if found.rows and all(row["error"] for row in found.rows):
        raise typer.Exit(3)
    if fail_on and any(row["flagged"] if fail_on == "flagged" else row["error"] for row in found.rows):
        raise typer.Exit(1)
    return None


def calibrate(
    detector: Annotated[Path, typer.Argument(help="A detector's folder.")],
    normals: Places,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the newly calibrated detector.")],
    group_from: GroupFrom = None,
    encoder: Encoder = None,
    json: AsJson = False,
) -> None:
    """The same detector calibrated on other normals: another scanner, site or camera. Nothing is learnt anew."""
    from oddpixel.console import print_fitted, progress
    from oddpixel.envelope import envelope
    from oddpixel.forensics.detect.flag import Incoming
    from oddpixel.forensics.detect.store import load, read_record, save

    loaded = load(detector, encoder)
    source = Incoming(places=tuple(normals), group_from=group_from).open(num_workers=2)
    with progress("calibrating", len(source)) as advance:
        loaded.calibrate(source, on_item=advance)
    save(loaded, out)
    record = read_record(out)
    print(envelope("calibrate", detector=str(out), **record)) if json else print_fitted(record, out)


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
) -> None:
    """Flag images as they arrive, each exactly once, also across restarts; each is decided on by itself."""
    from oddpixel.console import print_arrival
    from oddpixel.forensics.detect.decide import Rule
    from oddpixel.forensics.detect.watch import watch_folder

    rule = Rule(alpha=alpha, confidence=confidence)
    for arrival in watch_folder(folder, detector, out, rule, encoder=encoder, seconds=seconds, until_idle=until_idle):
        print_arrival(arrival)
