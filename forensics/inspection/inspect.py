"""`oddpixel inspect`: what each image is, without judging it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from oddpixel.border import border, error_row
from oddpixel.datasets.decoders import Decoders
from oddpixel.datasets.source import FileSource
from oddpixel.errors import RunError, describe
from oddpixel.forensics.runs.freshness import drop_outdated, note_stamps, stamps_of
from oddpixel.forensics.runs.order import SHARD_SIZE, Order, identities
from oddpixel.forensics.runs.rows import Failure, Row
from oddpixel.forensics.runs.run import Run
from oddpixel.forensics.runs.schema import DETAILS
from oddpixel.image import Image, Unreadable
from oddpixel.records import read_record

from .contact_sheet import write_contact_sheet


def inspect_source(
    source: Iterable[Image | Unreadable], on_item: Callable[[], None] = lambda: None
) -> list[dict[str, Any]]:
    """One record per image, in the source's order."""
    items = []
    for item in border(source, describe_image, error_row):
        items.append(item)
        on_item()
    return items


def inspect_into(
    out: Path,
    source: FileSource,
    options: dict[str, Any] | None = None,
    on_item: Callable[[], None] = lambda: None,
    *,
    places: Sequence[str] = (),
    overwrite: bool = False,
    shard_size: int = SHARD_SIZE,
) -> list[dict[str, Any]]:
    """Inspect a source into a run folder, with thumbnails and a contact sheet; a killed run is taken up where it was.

    Raises: RunError where `out` cannot be written or holds another run.
    """
    order = Order(
        kind="inspect", items=identities(source.entries), options=options or {}, places=places, shard_size=shard_size,
        overwrite=overwrite,
    )  # fmt: skip
    run = Run.begin(out, order)
    num_shards = run.record["num_shards"]
    decoders = Decoders()
    reader = replace(source.reader, kept=decoders)
    with run.writing_alone(), closing(decoders):
        drop_outdated(run, source.entries, order)
        for shard in run.missing_shards():
            entries = order.part(shard, source.entries)
            note_stamps(run, shard, stamps_of(entries))
            rows = []
            for row in border(reader.read(entries), partial(_row, run), error_row):
                rows.append(row)
                on_item()
            run.write_json(_details(shard), {"items": rows})
            run.write_part(shard, [_table_row(row) for row in rows])  # last: it is what says that the shard is done
        items = [
            item for k in range(num_shards) for item in read_record(run.file(_details(k)), DETAILS, RunError)["items"]
        ]
        write_contact_sheet(run, "inspect", items)
        run.finish()
    return items


def _details(shard: int) -> str:
    return f"details/part-{shard:05d}.json"


def _table_row(item: dict[str, Any]) -> Row:
    """As the run's table, and every export of it, has it."""
    return Row(
        item=item["item"],
        sha256=item["sha256"],
        group=item["group"],
        thumbnail=item.get("thumbnail"),
        notes=tuple(item.get("meta", {}).get("notes", ())),
        width=item.get("width"),
        height=item.get("height"),
        error=None if item["error"] is None else Failure(**item["error"]),
    )


def _row(run: Run, image: Image | Unreadable) -> dict[str, Any]:
    item = describe_image(image)
    if isinstance(image, Image) and (thumbnail := run.write_thumbnail(image)) is not None:
        item["thumbnail"] = thumbnail
    return item


def describe_image(image: Image | Unreadable) -> dict[str, Any]:
    """The facts of one image, or its error."""
    common = {"item": image.source, "sha256": image.sha256, "group": image.group}
    if isinstance(image, Unreadable):
        return {**common, "error": describe(image.error)}
    channels, height, width = image.pixels.shape
    values = image.values()
    return {
        **common,
        "error": None,
        "width": width,
        "height": height,
        "channels": channels,
        "bits": image.bits,
        "unit": image.unit,
        "range": [float(values.min()), float(values.max())],
        "spacing_mm": image.spacing_mm,
        # Of the decoded samples: equal for the same picture in two containers.
        "pixels_sha256": hashlib.sha256(np.ascontiguousarray(image.pixels).data).hexdigest(),
        "meta": {name: value for name, value in image.meta.items() if name != "display"},
    }
