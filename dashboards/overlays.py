"""Thumbnails with their maps over them, for tiles: made once for a threshold of the rule, and kept in the dashboard's folder."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from oddpixel.errors import MissingFile, OddPixelError
from oddpixel.forensics.runs.heat_map import overlay, read_evidence

from .library import OpenRun

QUALITY = 80


def with_map(run: OpenRun, folder: Path, name: str) -> bytes:
    """A thumbnail with its map, as WebP; alone where it has none, empty where there is no such thumbnail.

    Arguments:
        folder: where what was made is kept.
        name: of the thumbnail, without a suffix; its map has the same.
    """
    plain = content_of(run, f"thumbnails/{name}.webp")
    threshold = (run.run.record.get("decision") or {}).get("map_threshold")
    kept = folder / run.key / f"{name}-{threshold}.webp"
    with contextlib.suppress(OSError):
        return kept.read_bytes()
    try:
        heat, _ = read_evidence(run.run, f"maps/{name}.png")
        with Pillow.open(io.BytesIO(plain), formats=("WEBP",)) as picture:
            shown = overlay(heat, np.asarray(picture.convert("RGB")), threshold)
    except (OddPixelError, OSError, ValueError):  # without a map, or damaged: Case says what is wrong
        return plain
    content = io.BytesIO()
    Pillow.fromarray(shown).save(content, "WEBP", quality=QUALITY)
    _keep(kept, content.getvalue())
    return content.getvalue()


def content_of(run: OpenRun, name: str) -> bytes:
    """A file of the run; empty where it is not there."""
    try:
        return run.file(name).read_bytes()
    except MissingFile:
        return b""


def _keep(path: Path, content: bytes) -> None:
    """Whole or not at all; where it cannot be kept, it is made again the next time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        number, written = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(number, "wb") as file:
            file.write(content)
        os.replace(written, path)
