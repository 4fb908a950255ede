"""The README's two pictures, made by the product from images under CC0: `python -m tests.readme_pictures docs`.

flagged.webp   images of `oddpixel demo` beside their maps, with decision and reason
audited.webp   a photograph with a copied part, beside the map of its audit, with the verdict
"""

from __future__ import annotations

import sys
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

import oddpixel
from oddpixel.commands.demonstration import demo_files, demonstrate
from oddpixel.datasets.planting import plant
from oddpixel.figure import new_figure
from oddpixel.forensics.runs.heat_map import overlay, read_evidence
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import RunTable

FLAGGED = ("grass-04-missing-part.png", "grass-36-scratch.png")
COPIED = {"kind": "copy-move", "strength": 0.5, "seed": 2}
WIDTH = 44  # letters of a caption's line

Panel = tuple[np.ndarray, str]


def flagged(place: Path) -> list[Panel]:
    """Each image, and the same with what is odd in it."""
    found = demonstrate(place)
    panels: list[Panel] = []
    for row in (row for row in found.rows if row.item in FLAGGED):
        assert row.flagged
        assert row.reason is not None
        said = f"flagged, p = {row.p_value:.3f}: {row.reason.because}"
        panels += _pair(found.run, row.map, row.item, said, found.decision["map_threshold"])
    return panels


def audited(place: Path) -> list[Panel]:
    """A photograph of which a part was copied elsewhere, and where the audit finds it."""
    photograph = next(oddpixel.open_source(path) for path in demo_files() if path.endswith("coffee.png"))
    image = next(iter(photograph))
    assert isinstance(image, oddpixel.Image)
    copied = plant(COPIED["kind"], image, strength=COPIED["strength"], seed=COPIED["seed"]).image
    place.mkdir()
    pixels = np.rint(copied.pixels.transpose(1, 2, 0) * 255).astype(np.uint8)
    Pillow.fromarray(pixels).save(place / "copied.png")
    found = oddpixel.audit(place / "copied.png", out=place / "run")
    (record,), (row,) = found.records(), RunTable(found.run).rows()
    print(record["label"], record["because"])
    return _pair(found.run, row.map, row.item, f"{record['label']}: {record['because']}", None)


def _pair(run: Run, name: str | None, item: str, said: str, threshold: float | None) -> list[Panel]:
    heat, picture = read_evidence(run, str(name))
    return [(picture, item), (overlay(heat, picture, threshold), said)]


def write(panels: Sequence[Panel], path: Path) -> None:
    """All panels in a row, each with its caption below."""
    tallest = max(picture.shape[0] / picture.shape[1] for picture, _ in panels)
    width = 12 / max(len(panels), 3)
    figure = new_figure(width * len(panels), width * tallest + 0.9)
    for axes, (picture, caption) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        axes.imshow(picture, interpolation="bicubic")
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlabel("\n".join(textwrap.wrap(caption, WIDTH)), fontsize=8)
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        figure.savefig(file.name, dpi=100)
        with Pillow.open(file.name) as drawn:
            drawn.convert("RGB").save(path, "WEBP", quality=80, method=6)


if __name__ == "__main__":
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        write(flagged(Path(folder) / "demo"), out / "flagged.webp")
        write(audited(Path(folder) / "audit"), out / "audited.webp")
