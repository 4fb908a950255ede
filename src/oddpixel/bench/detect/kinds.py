"""Twelve kinds of pictures, brought to 8-bit grey, one size and one codec, so that nothing but content differs.

Whole pictures: the middle square, 192 pixels a side by area averages, JPEG of quality 90. Kinds with few originals are cut
into squares of 192 pixels (at their own scale or a power of two coarser), overlapping within a side, the two sides of an
original a gap apart; slices of volumes come in blocks of twelve, three slices left out between them. What is a *group* is
then no patient, and nothing is claimed for patients.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from oddpixel.datasets.source import open_source
from oddpixel.forensics.detect.prepare import LUMA, resized
from oddpixel.image import Image

SIDE = 192
QUALITY = 90
BLOCK, GAP = 12, 3
CT_RANGE = (-1000.0, 1000.0)  # HU, the same for every CT

Square = UInt8[np.ndarray, "s s"]


@dataclass(frozen=True)
class Kind:
    """One kind of picture, and how its corpora are cut.

    Arguments:
        corpora: where its pictures come from.
        cut: `whole`, `tiles` or `slices`.
        reduce: before cutting tiles.
    """

    name: str
    corpora: tuple[str, ...]
    cut: str = "whole"
    reduce: int = 1
    at_most: int = 120


KINDS = (
    Kind("outdoor photos", ("photographs", "photographs-share-alike", "monuments", "nature")),
    Kind("interiors", ("interiors",)),
    Kind("animals", ("animals",)),
    Kind("textures", ("textures",), "tiles"),
    Kind("digits", ("digits",)),
    Kind("retina", ("retina",), "tiles", 2),
    Kind("histology", ("histology",), "tiles"),
    Kind("CT", ("ct-volumes", "ct-series"), "slices"),
    Kind("human MR", ("brains", "brain-template"), "slices"),
    Kind("macaque MR", ("macaque",), "slices"),
    Kind("AI stills", ("ai-stills",)),
    Kind("renderings", ("renderings", "renderings-plasma")),
)
# Pairs in which content is near, fixed beforehand and reported apart.
PHOTOS = {"outdoor photos", "interiors", "animals"}
NEAR = [
    *({first, second} for first in PHOTOS for second in PHOTOS if first < second),
    *({"AI stills", photos} for photos in PHOTOS),
    *({"renderings", photos} for photos in PHOTOS),
    {"human MR", "macaque MR"},
    {"CT", "human MR"},
    {"CT", "macaque MR"},
]


def is_near(first: str, second: str) -> bool:
    """Whether two kinds look so alike that telling them apart is the hard task."""
    return {first, second} in NEAR


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of a kind with the split that it belongs to.

    Arguments:
        image: its group is what splits keep on one side: a file, a block of slices, one side of an original.
        role: of the file; `any` for kinds of one original, whose groups are dealt anew.
    """

    image: Image
    role: str


@cache
def pictures(kind: Kind) -> tuple[Picture, ...]:
    """The pictures of a kind from all its corpora, at most `at_most` per role and corpus.

    Raises: MissingFile where a corpus was not fetched.
    """
    kept: list[Picture] = []
    for corpus in kind.corpora:
        for role in ("train", "validation", "test"):
            of_role = list(_pictures(kind, corpus, role))
            kept += of_role[:: max(len(of_role) // kind.at_most, 1)][: kind.at_most]
    return tuple(kept)


def _pictures(kind: Kind, corpus: str, role: str) -> Iterator[Picture]:
    from oddpixel.datasets.corpora import cached

    if not cached(corpus).files(role):  # type: ignore[arg-type]
        return
    source = open_source(f"corpus:{corpus}/{role}")
    if len(source) > 20 * kind.at_most:
        source = source[:: len(source) // kind.at_most]
    place = 0
    for image in source:
        if not isinstance(image, Image) or min(image.pixels.shape[1:]) < 24:
            continue
        grey = grey_of(image)
        if kind.cut == "tiles":
            for group, square in _tiles(grey, kind.reduce):
                yield Picture(_image(square, image, f"{image.source}/{group}"), "any")
        elif kind.cut == "slices":
            name, _, number = image.source.partition("#")
            index = int(number) if number else (place := place + 1)
            frames = int(image.meta.get("frames", len(source)))
            if not 0.2 * frames <= index <= 0.85 * frames or index % (BLOCK + GAP) >= BLOCK:
                continue
            group = f"{name if number else corpus}/{index // (BLOCK + GAP)}"
            yield Picture(_image(_whole(grey), image, group), "any")
        else:
            yield Picture(_image(_whole(grey), image, image.group), role)


def grey_of(image: Image) -> Float32[np.ndarray, "h w"]:
    """The picture as grey levels 0..255: luma; a fixed range of HU; percentiles of anything else."""
    pixels = image.pixels
    if image.unit == "display":
        grey = np.tensordot(LUMA, pixels[:3], 1) if len(pixels) >= 3 else pixels[0]
        return (255 * grey).astype(np.float32)
    is_ct = image.unit == "HU" or "ct" in image.group.partition("/")[0]
    low, high = CT_RANGE if is_ct else np.percentile(pixels[0], (0.5, 99.5))
    result: Float32[np.ndarray, "h w"] = (255 * np.clip((pixels[0] - low) / max(high - low, 1e-6), 0, 1)).astype(
        np.float32
    )
    return result


def _whole(grey: Float32[np.ndarray, "h w"]) -> Square:
    height, width = grey.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = grey[top : top + side, left : left + side]
    return _coded(resized(middle[None], (SIDE, SIDE))[0])


def _tiles(grey: Float32[np.ndarray, "h w"], reduce: int) -> Iterator[tuple[str, Square]]:
    """Squares of the left and of the right side, that share no pixel."""
    height, width = (side // reduce for side in grey.shape)
    smaller = resized(grey[None], (height, width))[0] if reduce > 1 else grey
    if min(height, width) < 2 * SIDE:
        return
    step = SIDE // 4
    for name, first in (("left", 0), ("right", width - width // 2 + GAP)):
        last = width // 2 - GAP if name == "left" else width
        for top in range(0, height - SIDE + 1, step):
            for left in range(first, last - SIDE + 1, step):
                yield name, _coded(smaller[top : top + SIDE, left : left + SIDE])


def _coded(grey: Float32[np.ndarray, "s s"]) -> Square:
    """Through the one codec."""
    rounded = np.rint(grey).clip(0, 255).astype(np.uint8)
    coded = cv2.imencode(".jpg", rounded, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE))


def _image(square: Square, original: Image, group: str) -> Image:
    sha256 = hashlib.sha256(square.tobytes()).hexdigest()
    pixels = (square.astype(np.float32) / 255)[None]
    return Image(pixels, 8, "display", None, original.source, sha256, group)
