"""Sheets of what the bundled cascade makes: `python -m oddpixel.bench.generate.sheets docs/generate`.

The first seeds, none chosen: samples by label, references beside the held-out photographs that they are like.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from oddpixel.generation.make import Generator
from oddpixel.generation.training.recipe_pictures import pictures_of
from oddpixel.provenance import save_synthetic
from oddpixel.recipe import read_recipe

from .generate import _made, _photographs, decoded

SIDE = 256
COLUMNS = 6
REFERENCE_SIDE = 512
REFERENCES = 3


def write_sheets(folder: Path) -> list[Path]:
    """Generate samples, reconstructions and references, and save them as sheets marked as synthetic.

    Raises: ModelError, MissingFile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = Generator.load()
    cascade, pipeline = generator.cascade, generator.pipeline
    held = pictures_of(read_recipe("cascade"), [], "validation")
    rows = []
    for label in cascade.options.labels:
        options = cascade.sampling((SIDE, SIDE))
        rows.append(
            pipeline([label] * COLUMNS, size=(SIDE, SIDE), seeds=list(range(COLUMNS)), options=options).pictures
        )
    crops = held.crops(COLUMNS, SIDE, torch.Generator().manual_seed(4))[0]
    with torch.no_grad():
        semantic = cascade.encoder(crops)
        linear = cascade.a.decode(cascade.encoder.coarse(semantic))
        sampled = decoded(cascade, semantic, 0)
    photographs = _photographs(held, REFERENCES, REFERENCE_SIDE, 1)
    made = _made(pipeline, cascade, photographs, REFERENCE_SIDE, 0)
    sheets = {
        "samples": rows,
        "reconstructions": [_bytes(crops), _bytes(linear), _bytes(sampled)],
        "references": [_bytes(photographs), _bytes(made)],
    }
    paths = []
    for name, pictures in sheets.items():
        paths.append(folder / f"{name}.webp")
        save_synthetic(paths[-1], _sheet(pictures), f"cascade {generator.sha256[:12]}, sheet of {name}")
    return paths


def _bytes(pictures: torch.Tensor) -> UInt8[np.ndarray, "_n _h _w 3"]:
    shown: np.ndarray = (255 * pictures.clamp(0, 1)).round().byte().permute(0, 2, 3, 1).numpy()
    return shown


def _sheet(rows: list[np.ndarray]) -> UInt8[np.ndarray, "_h _w 3"]:
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)


if __name__ == "__main__":
    for path in write_sheets(Path(sys.argv[1])):
        print(path)
