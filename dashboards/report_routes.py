"""Reports of an audit run: read, drawn and handed out. An item's row names its file's SHA-256, and with it the folder of
its report; no visitor names a file.

Reports are downloads only: a page made elsewhere must not be opened under this dashboard's own address, where it could act for
whoever looks at it.
"""

from __future__ import annotations

import io
import re
import threading
from collections import OrderedDict
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from starlette.requests import Request
from starlette.responses import Response

from oddpixel.datasets.sandbox import SandboxedDecoder
from oddpixel.errors import MissingFile, RunError
from oddpixel.forensics.audit.report.schema import REPORT
from oddpixel.forensics.runs.originals import recorded_digest
from oddpixel.forensics.runs.rows import Row
from oddpixel.records import read_record

from .library import OpenRun
from .site import the_site

PARTS = ("report.html", "report.json", "report.pdf", "report-signed.pdf", "custody.json")
STORED = "image"  # the name of the picture without a map
LARGEST = 1600  # pixels of the longer side of what is shown
KEPT = 8  # pictures
DIGEST = re.compile(r"[0-9a-f]{64}")
FOREVER, NEVER = "private, max-age=31536000, immutable", "no-store"

_pictures: OrderedDict[tuple[str, str, str], UInt8[np.ndarray, "h w *c"]] = OrderedDict()
_lock = threading.Lock()


def folder_of(row: Row) -> str:
    """The folder of an item's report, in its run. Raises: MissingFile."""
    if not DIGEST.fullmatch(row.sha256 or ""):
        raise MissingFile("there is no report of this item")
    return f"reports/{row.sha256}"


def read_report(run: OpenRun, row: Row) -> dict[str, Any]:
    """The content of report.json. Raises: MissingFile, RunError."""
    record = read_record(run.file(f"{folder_of(row)}/report.json"), REPORT, RunError)
    if record["sha256"] != row.sha256:
        raise RunError("the report belongs to another file")
    return record


def parts(run: OpenRun, row: Row) -> list[str]:
    """The files of a report that are there."""
    folder = folder_of(row)
    return [name for name in PARTS if (run.run.path / folder / name).is_file()]


def stored(run: OpenRun, row: Row) -> UInt8[np.ndarray, "h w *c"]:
    """The image as its checks saw it, neither turned upright nor brought to sRGB: maps lie on it pixel by pixel.

    Raises: UnreadableInput where it is not there any more, or another.
    """
    key = (run.key, row.item, recorded_digest(row))
    with _lock:
        if key in _pictures:
            _pictures.move_to_end(key)
            return _pictures[key]
    reader = run.originals.files.reader
    decoder = SandboxedDecoder(reader.limits, reader.key, any_suffix=reader.any_suffix)
    try:
        with run.originals.files.open(row) as file:
            decoder.open(file, row.item.rpartition("/")[2])
            samples = decoder.as_stored().array
    finally:
        decoder.close()
    shown = reduced(np.ascontiguousarray(samples.transpose(1, 2, 0)))
    grey = np.rint(np.clip(np.atleast_3d(shown), 0, 1) * 255).astype(np.uint8)
    picture = np.ascontiguousarray(grey[..., 0] if grey.shape[2] < 3 else grey[..., :3])
    with _lock:
        _pictures[key] = picture
        while len(_pictures) > KEPT:
            _pictures.popitem(last=False)
    return picture


def reduced(picture: np.ndarray) -> np.ndarray:
    """The picture with its longer side reduced to `LARGEST` pixels; a smaller one as it is."""
    factor = LARGEST / max(picture.shape[:2])
    return picture if factor >= 1 else cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def report_picture(request: Request) -> Response:
    """The image, a finding's map over it, a visual aid or a film's strip, by the name that the report has for it."""
    from oddpixel.forensics.audit.report.page import overlay

    run = the_site().library.run(request.path_params["run"])
    item, name = request.query_params.get("item", ""), request.query_params.get("name", "")
    if name == STORED:
        return _jpeg(stored(run, run.row(item)))
    row = the_site().seen_row(run, item, request.cookies)
    record = read_report(run, row)
    strips = [record["timeline"]["picture"]] if "timeline" in record else []
    if name in [*strips, *(aid["picture"] for aid in record["aids"])]:
        return _jpeg(reduced(_decoded(run, row, name, cv2.IMREAD_COLOR_RGB)))
    if name not in [finding["map"] for finding in record["findings"] if finding["map"]]:
        raise MissingFile("the report has no such picture")
    shade = reduced(_decoded(run, row, name, cv2.IMREAD_GRAYSCALE))
    try:
        picture = stored(run, row)
    except MissingFile:
        picture = np.full(shade.shape, 128, np.uint8)
    if picture.shape[:2] != shade.shape:
        shade = cv2.resize(shade, picture.shape[1::-1], interpolation=cv2.INTER_AREA)
    return _jpeg(overlay(picture, shade))


def _decoded(run: OpenRun, row: Row, name: str, how: int) -> np.ndarray:
    content = run.file(f"{folder_of(row)}/{name}").read_bytes()
    try:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), how)
    except cv2.error:
        picture = None
    if picture is None:
        raise MissingFile("this picture of the report is damaged")
    return np.asarray(picture)


def _jpeg(picture: np.ndarray) -> Response:
    from PIL import Image as Pillow

    file = io.BytesIO()
    Pillow.fromarray(picture).save(file, "JPEG", quality=90)
    return Response(file.getvalue(), media_type="image/jpeg", headers={"cache-control": FOREVER})


def report(request: Request) -> Response:
    """One file of a report, always as a download; the log notes who took it."""
    run = the_site().library.run(request.path_params["run"])
    row = the_site().seen_row(run, request.query_params.get("item", ""), request.cookies)
    name = request.query_params.get("part", "")
    author = the_site().author_of(request.query_params.get("ticket", ""))
    if author is None:
        raise PermissionError("this page has expired; reload it")
    if name not in PARTS:
        raise MissingFile("a report has no such part")
    content = run.file(f"{folder_of(row)}/{name}").read_bytes()
    run.verdicts.note_action(run.key, row.item, f"{name} downloaded", author=author)
    shown = f"{recorded_digest(row)[:12]}-{name}"
    headers = {"content-disposition": f'attachment; filename="{shown}"', "cache-control": NEVER}
    return Response(content, media_type="application/octet-stream", headers=headers)
