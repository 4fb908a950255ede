"""Every packaged corpus, fetched, read and counted, with a contact sheet each; and a sheet of the planted anomalies
(`oddpixel bench corpora`).

Licence-clean megapixels are those of corpora whose licence lets weights trained on them ship. Sheets hold small
thumbnails only, made from the whole corpus or a sample of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from oddpixel.datasets.corpora import Corpus, card, cards, fetch, is_cached
from oddpixel.datasets.planting import kinds, plant
from oddpixel.datasets.source import open_source
from oddpixel.errors import MissingFile
from oddpixel.image import Image, Unreadable

from . import Report

TILE, TILES_PER_ROW, MAX_TILES = 72, 12, 48


def run(sheets: Path | None = Path("docs/corpora"), seed: int = 0) -> Report:
    rows, clean = [], 0.0
    for name in cards():
        row = _row(name, sheets, seed)
        rows.append(row)
        clean += (row.get("megapixels") or 0.0) * (row["weights may ship"] == "yes" and row["kind"] == "images")
    if sheets is not None and not any(row["error"] for row in rows):
        _planted_sheet(seed).save(sheets / "planted.webp", quality=80)
    notes = [f"licence-clean images (weights may ship): {clean:.0f} megapixels"]
    return Report(tables={"corpora": rows}, seed=seed, notes=notes, passed=not any(row["error"] for row in rows))


def _row(name: str, sheets: Path | None, seed: int) -> dict[str, Any]:
    wanted = card(name)
    common = {"corpus": name, "kind": wanted.kind, "weights may ship": "yes" if wanted.weights_may_ship else "no"}
    was_here, started = is_cached(name), time.perf_counter()
    try:
        corpus = fetch(name)
    except MissingFile as error:
        return {**common, "error": str(error)}
    seconds = time.perf_counter() - started
    fetch_again = _offline(name)
    roles = [file.role for file in corpus.files()]
    row: dict[str, Any] = {
        **common,
        "files": len(roles),
        "groups": len({file.group for file in corpus.files()}),
        **{role: roles.count(role) for role in ("train", "validation", "test")},
        "fetch_s": None if was_here else round(seconds, 1),
        "offline_s": round(fetch_again, 1),
        "error": None,
    }
    if wanted.kind == "weights":
        return row
    counted = _read(corpus, seed)
    if sheets is not None and counted["tiles"]:
        sheets.mkdir(parents=True, exist_ok=True)
        _sheet(counted["tiles"]).save(sheets / f"{name}.webp", quality=75)
    return row | {key: counted[key] for key in ("images", "unreadable", "megapixels")}


def _offline(name: str) -> float:
    """Fetch once more in a process whose package clients cannot be found: seconds. Raises: CalledProcessError."""
    started = time.perf_counter()
    code = f"import oddpixel.datasets.corpora as c; c.fetch({name!r})"
    environment = os.environ | {"PATH": "", "PIP_NO_INDEX": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True)
    return time.perf_counter() - started


def _read(corpus: Corpus, seed: int) -> dict[str, Any]:
    """Count every image of the corpus; keep a few as tiles, spread evenly over all of them."""
    place = f"corpus:{corpus.card.name}"
    # A volume has a hundred slices and a film hundreds of frames: a tenth of them is read, and counted tenfold.
    every = 10 if any(_has_frames(file.path) for file in corpus.files()) else 1
    num_files = len(corpus.files())
    images, unreadable, megapixels, tiles = 0, 0, 0.0, []
    step = max(num_files // MAX_TILES, 1)
    for index, image in enumerate(open_source(place, every=every)):
        if isinstance(image, Unreadable):
            unreadable += 1
            continue
        images += 1
        megapixels += image.pixels[0].size / 1e6
        if every > 1 or index % step == 0:
            tiles.append(_tile(image))
    chosen = [tiles[int(i)] for i in np.linspace(0, len(tiles) - 1, min(len(tiles), MAX_TILES))] if tiles else []
    return {
        "images": images * every,
        "unreadable": unreadable,
        "megapixels": round(megapixels * every, 2),
        "tiles": chosen,
    }


def _has_frames(path: Path) -> bool:
    return path.name.endswith((".nii.gz", ".nii", ".avi", ".mp4"))


def _tile(image: Image, side: int = TILE) -> Any:
    from PIL import Image as Pillow

    picture = image.to_display(at_least=4 * side)
    tile = Pillow.fromarray(picture[..., 0] if picture.shape[2] == 1 else picture).convert("RGB")
    tile.thumbnail((side, side), Pillow.Resampling.LANCZOS)
    return tile


def _sheet(tiles: Sequence[Any], per_row: int = TILES_PER_ROW, side: int = TILE) -> Any:
    from PIL import Image as Pillow

    num_rows = -(-len(tiles) // per_row)
    sheet = Pillow.new("RGB", (min(len(tiles), per_row) * (side + 4), num_rows * (side + 4)), "white")
    for index, tile in enumerate(tiles):
        column, row = index % per_row, index // per_row
        sheet.paste(
            tile, (column * (side + 4) + (side - tile.width) // 2, row * (side + 4) + (side - tile.height) // 2)
        )
    return sheet


def _planted_sheet(seed: int) -> Any:
    """A row a kind: the image, then three strengths and the mask of the last."""
    from PIL import Image as Pillow
    from PIL import ImageDraw

    side, strengths = 168, (0.25, 0.5, 1.0)
    rows = list(_planted_rows(strengths, seed))
    sheet = Pillow.new("RGB", (120 + 5 * (side + 4), len(rows) * (side + 4) + 16), "white")
    draw = ImageDraw.Draw(sheet)
    for column, title in enumerate(("before", *(f"strength {value:g}" for value in strengths), "mask")):
        draw.text((122 + column * (side + 4), 2), title, fill="black")
    for index, (kind, pictures) in enumerate(rows):
        top = 16 + index * (side + 4)
        draw.text((2, top + side // 2), kind, fill="black")
        for column, picture in enumerate(pictures):
            sheet.paste(picture.resize((side, side), Pillow.Resampling.NEAREST), (120 + column * (side + 4), top))
    return sheet


def _planted_rows(strengths: Sequence[float], seed: int) -> Iterator[tuple[str, list[Any]]]:
    from PIL import Image as Pillow

    photo, donor = _crop(_one("corpus:objects/validation")), _crop(_one("corpus:nature/train"))
    body, product = _crop(_middle("corpus:ct-series")), _crop(_one("corpus:standards", "coffee.png"))
    for kind, function in kinds().items():
        image = {"tamper": photo, "lesions": body, "defects": product}[function.__module__.rsplit(".", 1)[1]]
        planted = [plant(kind, image, strength=value, seed=seed, donor=donor) for value in strengths]
        mask = Pillow.fromarray((planted[-1].mask * 255).astype(np.uint8)).convert("RGB")
        yield kind, [*(_tile(each, 10_000) for each in (image, *(one.image for one in planted))), mask]


def _one(place: str, name: str = "") -> Image:
    return next(image for image in open_source(place) if isinstance(image, Image) and name in image.source)


def _middle(place: str) -> Image:
    images = [image for image in open_source(place) if isinstance(image, Image)]
    return images[len(images) // 2]


def _crop(image: Image) -> Image:
    """The middle square, at most 336 pixels wide."""
    _, height, width = image.pixels.shape
    side = min(height, width, 336 if image.unit == "display" else 512)
    top, left = (height - side) // 2, (width - side) // 2
    return replace(image, pixels=image.pixels[:, top : top + side, left : left + side].copy())
