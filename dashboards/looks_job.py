"""Looks at all thumbnails of a run with the bundled encoder, so that `alike` compares what pictures show, not only their greys.

    python -m oddpixel.dashboards.looks_job RUN --out=FILE

FILE is an .npz of `items` and `vectors` (float16, mean 0 over the run, length 1), written whole or not at all.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from PIL import Image as Pillow
from sklearn.decomposition import PCA

from oddpixel.encoders import EFFICIENTNET_LITE0, load_encoder, whole
from oddpixel.errors import OddPixelError
from oddpixel.forensics.detect.encoders import BUNDLED
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import RunTable

from .alike import thumbnails_of

SIDE, AT_ONCE = 128, 16
COMPONENTS = 64  # that are kept of a large run: a page reads them within a few milliseconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; exit status 0, or 2 with one line that states the error."""
    parser = argparse.ArgumentParser(prog="looks_job", allow_abbrev=False)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)  # it runs beside a server that people wait for
    try:
        write(Run.open(given.run), given.out)
    except OddPixelError as error:
        print(f"{type(error).__name__}: {error}")
        return 2
    return 0


def write(run: Run, out: Path) -> None:
    """Look at every thumbnail, and write the vectors. Raises: OddPixelError."""
    encoder = load_encoder(EFFICIENTNET_LITE0, BUNDLED)
    table = RunTable(run)
    try:
        pairs = thumbnails_of(table)
    finally:
        table.close()
    items: list[str] = []
    vectors: list[np.ndarray] = []
    for names, pictures in _batches(run, pairs):
        with torch.inference_mode():
            vectors.append(whole(encoder, torch.from_numpy(pictures)).float().numpy())
        items += names
    kept = np.concatenate(vectors) if vectors else np.zeros((0, 1), np.float32)
    kept = PCA(COMPONENTS, random_state=0).fit_transform(kept) if len(kept) > COMPONENTS else kept - kept.mean(0)
    kept /= np.maximum(np.linalg.norm(kept, axis=1, keepdims=True), 1e-9)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.npz")
    np.savez(temporary, items=np.array(items, dtype=np.str_), vectors=kept.astype(np.float16))
    temporary.replace(out)


def _batches(run: Run, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[list[str], Float32[np.ndarray, "b 3 h w"]]]:
    """Thumbnails by the batch, all of one size; those that cannot be read are left out."""
    names: list[str] = []
    pictures: list[np.ndarray] = []
    for number, (item, thumbnail) in enumerate(pairs, start=1):
        try:
            with Pillow.open(run.file(thumbnail), formats=("WEBP",)) as picture:
                small = picture.convert("RGB").resize((SIDE, SIDE), Pillow.Resampling.BILINEAR)
        except (OddPixelError, OSError, ValueError):
            continue
        names.append(item)
        pictures.append(np.asarray(small, np.float32).transpose(2, 0, 1) / np.float32(255))
        if len(names) == AT_ONCE:
            yield names, np.stack(pictures)
            names, pictures = [], []
            print(f"looking at thumbnails {number}/{len(pairs)}", flush=True)
    if names:
        yield names, np.stack(pictures)
    print(f"looking at thumbnails {len(pairs)}/{len(pairs)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
