"""`watch`: images as they arrive in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from oddpixel.console import shown
from oddpixel.places import default_folder

from .options import Alpha, Confidence, DetectorFolder, Device, Encoder, ListLeftOut


def watch(
    folder: Annotated[Path, typer.Argument(help="Where images arrive.")],
    detector: DetectorFolder,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="Folder for the run; a watch in it is taken up again. FOLDER-watched if not given."
        ),
    ] = None,
    alpha: Alpha = 0.05,
    confidence: Confidence = None,
    encoder: Encoder = None,
    device: Device = "cpu",
    seconds: Annotated[float, typer.Option(help="Between two looks.", min=0.1)] = 2.0,
    until_idle: Annotated[
        float | None, typer.Option(help="Stop once nothing has arrived for so many seconds; never where not given.")
    ] = None,
    left_out: ListLeftOut = False,
) -> None:
    """Flag images as they arrive, each exactly once, also across restarts, and again when a file changes; each is decided on by
    itself."""
    from oddpixel.datasets.listing import LeftOut, Listing
    from oddpixel.forensics.detect.decide import Rule
    from oddpixel.forensics.detect.watch import watch_folder
    from oddpixel.forensics.runs.run import Run

    from .ending import exit_by, print_not_read

    out = default_folder((str(folder),), "watched") if out is None else out
    rule = Rule(alpha=alpha, confidence=confidence)
    errors: list[Any] = []
    for arrival in watch_folder(
        folder, detector, out, rule, encoder=encoder, device=device, seconds=seconds, until_idle=until_idle
    ):
        if not errors:
            for warning in arrival.warnings:
                print(shown(f"warning: {warning}"), flush=True)
        print_arrival(arrival)
        errors.append(arrival.row.error)
    print_not_read(Listing(left_out=tuple(LeftOut(**entry) for entry in Run.open(out).record["left_out"])), left_out)
    if errors:
        exit_by(errors)


def print_arrival(arrival: Any) -> None:
    """Print one line per image, as it is decided. `arrival`: a `watch.Arrival`."""
    from oddpixel.forensics.detect.levels import is_usual

    row = arrival.row
    if row.error is not None:
        print(shown(f"{row.item}: {row.error.type}: {row.error.message}"), flush=True)
        return
    decision = "flagged" if row.flagged else "not flagged"
    why = f": {row.reason.because}" if row.flagged and row.reason is not None else ""
    alarm = " (drift: nothing is promised)" if arrival.drift_alarm else ""
    notes = "".join(f" ({note})" for note in row.notes if not is_usual(note))
    print(shown(f"{row.item}: p {row.p_value:.4f}, {decision}{why}{alarm}{notes}"), flush=True)


EXAMPLES = ("watch incoming/ --detector detector -o watched",)
COMMAND = watch
