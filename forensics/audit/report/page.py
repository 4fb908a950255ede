"""The report as one HTML page: no script, no request, every text escaped, pictures inside."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import cv2
import jinja2
import numpy as np
from PIL import Image as Pillow

from ..exhibit import Exhibit
from ..video.film import Film
from .groups import grouped

WIDEST = 900  # pixels of a picture on the page; the files beside it are whole


def page(record: Mapping[str, Any], custody: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The HTML page of a report.

    Arguments:
        pictures: JPEG or PNG by name: `image`, and those that the record names.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(files(__package__ or "").joinpath("page.html").read_text())
    return template.render(
        report=record,
        groups=grouped(record["findings"]),
        timeline=record.get("timeline"),
        custody=custody,
        pictures={name: url(picture) for name, picture in pictures.items()},
    )


def shown_pictures(exhibit: Exhibit | Film, record: Mapping[str, Any], whole: Mapping[str, bytes]) -> dict[str, bytes]:
    """The image, its overlays and aids, small enough for a page; none of what may show text."""
    if exhibit.may_show_text:
        return {}
    picture = _small(exhibit.picture)
    shown = {"image": _encoded(picture)}
    for finding in record["findings"]:
        if finding["map"] is not None:
            shown[finding["map"]] = _encoded(overlay(picture, _small(_decoded(whole[finding["map"]]))))
    return shown | {aid["picture"]: _encoded(_small(_decoded(whole[aid["picture"]]))) for aid in record["aids"]}


def overlay(picture: np.ndarray, shade: np.ndarray) -> np.ndarray:
    """The picture in grey, marked parts in orange with a line around them."""
    grey = picture if picture.ndim == 2 else picture.mean(2)
    weight = 0.55 * shade[..., None].astype(np.float32) / 255
    colour = np.array([255, 120, 0], np.float32)
    mixed = np.rint(grey[..., None] * (1 - weight) + colour * weight).astype(np.uint8)
    mixed = np.array(np.broadcast_to(mixed, (*shade.shape, 3)))
    outlines = cv2.findContours((shade > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    cv2.drawContours(mixed, outlines, -1, (255, 255, 255), 2)
    return mixed


def url(picture: bytes) -> str:
    """A picture as a data URL, so that the page needs no other file."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _small(picture: np.ndarray) -> np.ndarray:
    factor = WIDEST / max(picture.shape[:2])
    if factor >= 1:
        return picture
    height, width = (max(1, round(side * factor)) for side in picture.shape[:2])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _decoded(content: bytes) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(content)))


def _encoded(picture: np.ndarray) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(picture).save(file, "JPEG", quality=88)
    return file.getvalue()
