"""Makes one synthetic picture for a case and keeps it with the run. A process of its own, so that it can be ended at any moment:

    python -m oddpixel.dashboards.synthetic_job RUN --item=ITEM --kind=reference --data=FOLDER ...

reference   by the bundled cascade, guided by the low-resolution blueprint of the original
expected    the original with its odd region as normal images would have it (`forensics.detect.expected`)

The original is read under the dashboard's own rules: from folders that --data names, and with the SHA-256 that the run recorded.
Progress is lines `what done/total`.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from oddpixel.errors import InvalidImage, MissingFile, OddPixelError, UsageError
from oddpixel.forensics.runs.rows import Row
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.table import Filter, RunTable
from oddpixel.image import Image
from oddpixel.provenance import save_synthetic

from .library import OpenRun
from .originals import shows_values, window_of
from .synthetic import LARGEST_SEED, MAKERS, SCHEMA, TITLES, folder_of, name_of
from .uploads import allowed

MOST_NORMALS = 200
PARTS = {"capture": "low-resolution blueprint", "high": "stage C", "decode": "stage B", "grow": "stage C, larger"}

TEXT_IN_PIXELS = (
    "it is a screen capture that may show text, such as a name, and a synthetic picture of it could show the same"
)
NO_DETECTOR = "no detector made this run, so there is no map of what is odd in it (`oddpixel flag` makes one)"
NO_MAP = "no map of this image was kept, so there is no odd region that could be replaced"


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of one synthetic picture.

    Arguments:
        scale: the reference's sides, in those that 512 x 512 pixels have at the original's proportions.
        normals: a folder of normal images, for an expected normal.
        aligned: whether the same place shows the same thing in all of them.
        detector: the name of the run's detector, where it is known.
    """

    kind: str
    seed: int = 0
    scale: int = 1
    normals: str = ""
    aligned: bool = False
    detector: str = ""
    author: str = ""


@dataclass(frozen=True, eq=False)
class Made:
    """A finished picture with what its record tells of it.

    Arguments:
        pixels: black and white are the ends of `window`, in the original's unit; None where they are what is shown.
    """

    pixels: UInt8[np.ndarray, "h w *c"]
    maker: str
    maker_sha256: str
    seed: int | None = None
    window: tuple[float, float] | None = None
    spacing_mm: tuple[float, float] | None = None
    sources: tuple[str, ...] = ()


def make(run: OpenRun, item: str, options: Options) -> str:
    """Make and keep one synthetic picture; its path relative to the run. Raises: OddPixelError."""
    row = row_of(run.run, item)
    report("reading the original", 0, 1)
    image = run.originals.image(row)
    if image.may_show_text:
        raise InvalidImage(TEXT_IN_PIXELS)
    made = reference(image, options) if options.kind == "reference" else expected(run, row, image, options)
    return keep(run.run, row, image, made, options)


def row_of(run: Run, item: str) -> Row:
    """The newest row of an item. Raises: MissingFile, RunError."""
    table = RunTable(run)
    try:
        rows = table.page([Filter("item", "=", item)], order_by="shard", descending=True, limit=1)
    finally:
        table.close()
    if not rows:
        raise MissingFile(f"the run {run.path.name} has no item {item}")
    return rows[0]


def reference(image: Image, options: Options) -> Made:
    """A reference that the bundled cascade generates from the original's low-resolution blueprint."""
    from oddpixel.generation.given import Given
    from oddpixel.generation.make import Generator
    from oddpixel.generation.references import reference_of, size_like
    from oddpixel.generation.request import Request

    report("loading the cascade", 0, 1)
    generator, like = Generator.load(), reference_of(image)
    given = Given(like=like)
    height, width = size_like(like.size)
    request = Request(like=image.source, seed=options.seed, size=(options.scale * height, options.scale * width))
    synthetic = next(generator.make(request, lambda part, done, of: report(PARTS.get(part, part), done, of), given))
    spacing = synthetic.record["reference"]["spacing_mm"]
    return Made(
        pixels=synthetic.pixels,
        maker=generator.name,
        maker_sha256=generator.sha256,
        seed=options.seed,
        window=like.window if shows_values(image) else None,
        spacing_mm=None if spacing is None else tuple(spacing),
    )


def expected(run: OpenRun, row: Row, image: Image, options: Options) -> Made:
    """The original with its odd region filled from the normal images of a folder."""
    from oddpixel.forensics.detect.expected import expected_normal
    from oddpixel.forensics.detect.odd_region import odd_region

    folder = allowed(options.normals, run.roots)
    detector = run.run.record["options"].get("detector")
    if not isinstance(detector, str):
        raise UsageError(NO_DETECTOR)
    if row.map is None:
        raise InvalidImage(NO_MAP)
    odd = odd_region(run.run, row, (image.pixels.shape[1], image.pixels.shape[2]))
    normals = normals_like(image, folder)
    report("comparing with normal images", 0, 1)
    pixels = [np.nan_to_num(normal.pixels) for normal in normals]
    estimate = expected_normal(np.nan_to_num(image.pixels), odd, pixels, aligned=options.aligned)
    window = window_of(image) if shows_values(image) else None
    return Made(
        pixels=as_shown(replace(image, pixels=estimate.pixels), window),
        maker=options.detector or "of the run",
        maker_sha256=detector,
        window=window,
        spacing_mm=image.spacing_mm,
        sources=tuple(normals[k].source for k in estimate.sources),
    )


def normals_like(image: Image, folder: Path) -> list[Image]:
    """The normal images of a folder that have the unit and the channels of the image.

    Raises: InvalidImage where none is in that unit with as many channels.
    """
    from oddpixel.datasets.source import open_source, readable

    source = open_source(str(folder))
    count, alike = min(len(source), MOST_NORMALS), []
    for done, (normal, _) in enumerate(zip(readable(source), range(MOST_NORMALS), strict=False), 1):
        report("reading normal images", min(done, count), count)
        if normal.unit == image.unit and len(normal.pixels) == len(image.pixels) and normal.sha256 != image.sha256:
            alike.append(normal)
    if not alike:
        raise InvalidImage(f"none of the images in {folder} is in {image.unit} with {len(image.pixels)} channels")
    return alike


def as_shown(image: Image, window: tuple[float, float] | None) -> UInt8[np.ndarray, "h w *c"]:
    """The image in 8 bits: window and level where a window is given, else its display range."""
    if window is None:
        shown = image.to_display()
        return shown[..., 0] if shown.shape[2] == 1 else shown[..., :3]
    low, high = window
    grey: UInt8[np.ndarray, "h w"] = (((image.pixels[0] - low) / (high - low)).clip(0, 1) * 255 + 0.5).astype(np.uint8)
    return grey


def keep(run: Run, row: Row, image: Image, made: Made, options: Options) -> str:
    """Write the picture, then its record, which has its SHA-256: one without the other does not count. Raises: RunError."""
    name = f"{folder_of(row)}/{name_of(options.kind, made.seed)}"
    seed = "" if made.seed is None else f", seed {made.seed}"
    made_by = f"{TITLES[options.kind].lower()}, {MAKERS[options.kind]} {made.maker} {made.maker_sha256[:12]}{seed}"
    with tempfile.TemporaryDirectory() as folder:
        save_synthetic(Path(folder) / "made.png", made.pixels, made_by)
        content = (Path(folder) / "made.png").read_bytes()
    with run.writing(run.path / f"{name}.png") as file:
        file.write(content)
    record = {
        "schema": SCHEMA,
        "synthetic": True,
        "kind": options.kind,
        "item": row.item,
        "sha256": row.sha256,
        "picture_sha256": hashlib.sha256(content).hexdigest(),
        "height": made.pixels.shape[0],
        "width": made.pixels.shape[1],
        "seed": made.seed,
        "maker": made.maker,
        "maker_sha256": made.maker_sha256,
        "unit": image.unit,
        "window": made.window,
        "spacing_mm": made.spacing_mm,
        "sources": made.sources,
        "author": options.author,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    run.write_json(f"{name}.json", record)
    return f"{name}.png"


def report(what: str, done: int, total: int) -> None:
    """Print one line of progress, which the dashboard reads from the job's log."""
    print(f"{what} {done}/{total}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job; exit status 0, or 2 with one line that states the error."""
    parser = argparse.ArgumentParser(prog="synthetic_job", allow_abbrev=False)
    parser.add_argument("run", type=Path)
    parser.add_argument("--item", required=True)
    parser.add_argument("--data", type=Path, action="append", default=[])
    parser.add_argument("--kind", choices=list(TITLES), required=True)
    parser.add_argument("--seed", type=int, choices=range(LARGEST_SEED + 1), default=0, metavar="SEED")
    parser.add_argument("--scale", type=int, choices=(1, 2), default=1)
    parser.add_argument("--aligned", action="store_true")
    for name in ("normals", "detector", "author"):
        parser.add_argument(f"--{name}", default="")
    given = vars(parser.parse_args(arguments))
    run, item, roots = given.pop("run"), given.pop("item"), given.pop("data")
    opened = None
    try:
        opened = OpenRun(Run.open(run), tuple(root.resolve() for root in roots))
        print(make(opened, item, Options(**given)))
    except OddPixelError as error:
        print(f"{type(error).__name__}: {error}")
        return 2
    finally:
        if opened is not None:
            opened.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
