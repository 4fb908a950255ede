"""`update`: a detector that learns from what people decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddpixel.console import print_rows, shown
from oddpixel.places import default_folder

from .options import AsJson, Device, Encoder, Store


def update(
    detector: Annotated[Path, typer.Argument(help="A detector's folder.")],
    from_verdicts: Annotated[Path, typer.Option(help="A run whose images people decided on.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder for the detector as it is afterwards; DETECTOR-updated if not given."),
    ] = None,
    store: Store = None,
    encoder: Encoder = None,
    device: Device = "cpu",
    json: AsJson = False,
) -> None:
    """Learn from verdicts: what was decided normal joins the memory; with ten groups decided odd, channels are chosen anew where
    that finds more of them. The promise on false alarms stands."""
    from oddpixel.envelope import envelope
    from oddpixel.forensics.detect.store import load, read_record, save
    from oddpixel.forensics.detect.teaching import decided_images, teach
    from oddpixel.forensics.runs.run import Run

    out = default_folder((str(detector),), "updated") if out is None else out
    loaded = load(detector, encoder, device)
    run = Run.open(from_verdicts)
    decided = decided_images(run, store)
    lesson = teach(loaded, decided)
    if run.record["options"].get("detector") != read_record(detector)["channels_sha256"]:
        lesson.said.append("the run was made by another detector, or by this one before it learned")
    save(loaded, out)
    rows = [
        {"decided odd": item, "p of the detector before": before, "p after": after}
        for item, before, after in lesson.odd
    ]
    if json:
        content = {
            "normals": lesson.normals,
            "reserves": lesson.chosen,
            "odd": [{"item": item, "p_before": before, "p_after": after} for item, before, after in lesson.odd],
            "said": lesson.said,
            "images_left_out": decided.left_out,
        }
        print(envelope("update", detector=str(out), **content))
        return
    for sentence in lesson.said:
        print(f"{out}: {sentence}")
    if rows:
        print_rows("what was decided odd", rows)
    for sentence in decided.left_out:
        print(shown(f"left out: {sentence}"))


EXAMPLES = ("update detector --from-verdicts run -o detector3",)
COMMAND = update
