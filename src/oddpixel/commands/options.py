"""Arguments and options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Places = Annotated[
    list[str],
    typer.Argument(
        help="Files, folders, globs, CSV/Parquet manifests, zip archives, DICOMDIRs, corpus:NAME[/ROLE], "
        "mvtec:ROOT (also mvtec2:, visa:, realiad:, coco:, imagefolder:, faceforensics:), s3://BUCKET/FOLDER."
    ),
]
RunFolder = Annotated[Path, typer.Argument(help="A run folder.")]
Store = Annotated[str | None, typer.Option(help="Verdicts: a database URL; the run's own SQLite file where not given.")]
Every = Annotated[int, typer.Option(help="Of video, volumes and pages, only every so many-th frame.", min=1)]
ByShot = Annotated[bool, typer.Option("--by-shot", help="Of video, only the middle frame of every shot.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Workers = Annotated[int, typer.Option(help="Decoding processes.", min=1)]
AnySuffix = Annotated[bool, typer.Option("--any-suffix", help="Read a file by its content whatever its name promises.")]
MaxPixels = Annotated[float, typer.Option(help="Cap on width x height, in megapixels.", min=0.01)]
FollowLinks = Annotated[
    bool, typer.Option("--follow-links", help="Walk hidden folders that links lead to, inside the given folder alone.")
]
ListLeftOut = Annotated[bool, typer.Option("--left-out", help="Name every file that was left out, and why.")]
FailOnError = Annotated[str | None, typer.Option("--fail-on", help="Exit 1 if any was: error.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace a run that is in the folder; human verdicts on it are kept.")
]
Title = Annotated[str | None, typer.Option(help="What people know the run by; the name of its folder if not given.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the resolved options and stop.")]
DetectorFolder = Annotated[Path, typer.Option("--detector", help="A detector's folder, as `oddpixel fit` writes it.")]
Encoder = Annotated[
    str | None,
    typer.Option(
        help="efficientnet-lite0, none, a folder of transformers or timm, a file NAME.onnx, or package.module:function of your "
        "own (it is run)."
    ),
]
Device = Annotated[str, typer.Option(help="Where networks run: cpu, cuda, cuda:1, mps, or auto.")]
GroupFrom = Annotated[
    str | None,
    typer.Option(help="What is exchangeable: folder, csv, dicom or file; where not given, as the source says."),
]
Alpha = Annotated[float, typer.Option(help="At most this share of normal groups is flagged.", min=0.0, max=1.0)]
Confidence = Annotated[
    float | None, typer.Option(help="The same for this very calibration, with this confidence.", min=0.0, max=1.0)
]
Strata = Annotated[str | None, typer.Option(help="Compare within: modality, manufacturer, model, format; with commas.")]
ScoringWorkers = Annotated[int, typer.Option(help="Scoring processes.", min=1)]
