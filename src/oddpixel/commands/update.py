"""`update`: a detector that learns from what people decided."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oddpixel.console import print_rows, shown

from .options import AsJson, Encoder, Store


def update(
    detector: Annotated[Path, typer.Argument(help="A detector's folder.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the detector as it is afterwards.")],
    from_verdicts: Annotated[Path, typer.Option(help="A run whose images people decided on.")],
    store: Store = None,
    encoder: Encoder = None,
    json: AsJson = False,
) -> None:
    """Learn from verdicts: what was decided normal joins the memory; with ten groups decided odd, channels are chosen anew where
    that finds more of them. The promise on false alarms stands."""
    from oddpixel.envelope import envelope
    from oddpixel.forensics.detect.store import load, save
    from oddpixel.forensics.detect.teaching import decided_images, teach
    from oddpixel.forensics.runs.run import Run

    loaded = load(detector, encoder)
    decided = decided_images(Run.open(from_verdicts), store)
    lesson = teach(loaded, decided)
    save(loaded, out)
    rows = [{"decided odd": item, "p before": before, "p after": after} for item, before, after in lesson.odd]
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


COMMAND = update
