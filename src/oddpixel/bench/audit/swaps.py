"""Face swaps by landmarks, as tools without a network make them, and self-blends: authentic and swapped pictures of faces.

A donor's face is turned and scaled so that its five landmarks fall on the host's (least squares, Umeyama 1991), and is blended
in one of four ways. Every picture is reduced first, by no whole number, so that its earlier JPEG grid is gone, and both are
saved alike afterwards. A self-blend (Shiohara and Yamasaki, CVPR 2022) has the host's own face as its donor, moved a
little and saved once more.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from PIL import Image as Pillow

from oddpixel.datasets.corpora import cached
from oddpixel.forensics.audit.faces.detector import Face, faces_of

from .cases import Mask, Pixels, resized, saved

LEAST_WIDTH = 64  # pixels of a face after reduction
SIDE = 384  # pixels of a picture around a face, at most
REDUCED = (0.72, 0.9)
GROWN = 0.92  # of the face's box that is replaced


@dataclass(frozen=True, eq=False)
class Portrait:
    """A picture around one face.

    Arguments:
        name: of the person, as far as the corpus knows: the group.
    """

    name: str
    picture: Pixels
    face: Face

    def random(self, *purpose: object) -> np.random.Generator:
        """A generator seeded by the name and a purpose."""
        return np.random.default_rng(zlib.crc32("/".join(map(str, (self.name, *purpose))).encode()))


def portraits(corpus: str, role: str) -> list[Portrait]:
    """The faces of a corpus that are wide enough, each in a picture of its own."""
    return [portrait for file in cached(corpus).files() if file.role == role for portrait in _around(file.path)]


def _around(path: Any) -> Iterator[Portrait]:
    picture = np.asarray(Pillow.open(path).convert("RGB"))
    name = str(path).rpartition("/")[2]
    random = np.random.default_rng(zlib.crc32(name.encode()))
    reduced = resized(picture, float(random.uniform(*REDUCED)))
    if np.abs(reduced.astype(int) - reduced[..., :1]).max() < 8:
        return  # grey
    for number, face in enumerate(faces_of(reduced)):
        if face.width < LEAST_WIDTH:
            continue
        top, left, bottom, right = face.box
        middle = (top + bottom) // 2, (left + right) // 2
        at = [max(0, min(m - SIDE // 2, length - SIDE)) for m, length in zip(middle, reduced.shape, strict=False)]
        cut = np.ascontiguousarray(reduced[at[0] : at[0] + SIDE, at[1] : at[1] + SIDE])
        moved = Face(
            (top - at[0], left - at[1], bottom - at[0], right - at[1]),
            face.landmarks - np.array([at[1], at[0]], np.float32),
            face.score,
        )
        yield Portrait(f"{name}#{number}", cut, moved)


def swapped(host: Portrait, donor: Portrait, blending: str) -> tuple[Pixels, Mask]:
    """The host's picture with the donor's face."""
    random = host.random(donor.name, blending)
    picture = donor.picture
    if donor is host:
        picture = saved(resized(resized(picture, 0.93), 1 / 0.93), f"jpeg-{int(random.integers(60, 90))}")
        picture = cv2.resize(picture, host.picture.shape[1::-1])
    turn = _similarity(donor.face.landmarks, host.face.landmarks)
    if donor is host:
        turn[:, 2] += random.uniform(-2, 2, 2)
    size = host.picture.shape[1::-1]
    theirs = cv2.warpAffine(picture, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    mask = host.face.mask(host.picture.shape, GROWN)
    return BLENDINGS[blending](host.picture, theirs, mask), mask


def _similarity(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """The turn, scale and shift that bring one set of points nearest to another."""
    a, b = first - first.mean(0), second - second.mean(0)
    left, scales, right = np.linalg.svd(b.T @ a)
    flip = np.diag([1.0, np.sign(np.linalg.det(left @ right))])
    turn = left @ flip @ right * (scales @ np.diag(flip)) / np.square(a).sum()
    return np.concatenate([turn, (second.mean(0) - turn @ first.mean(0))[:, None]], 1)


def _toned(theirs: Pixels, host: Pixels, mask: Mask) -> Pixels:
    """Their colours brought to the mean and deviation of the host's within the mask."""
    mine, other = host[mask].astype(np.float32), theirs[mask].astype(np.float32)
    moved = (theirs - other.mean(0)) / (other.std(0) + 1) * (mine.std(0) + 1) + mine.mean(0)
    toned: Pixels = np.rint(np.clip(moved, 0, 255)).astype(np.uint8)
    return toned


def _mixed(host: Pixels, theirs: Pixels, weight: np.ndarray) -> Pixels:
    mixed = host + weight[..., None] * (theirs.astype(np.float32) - host)
    pixels: Pixels = np.rint(mixed).clip(0, 255).astype(np.uint8)
    return pixels


def feathered(host: Pixels, theirs: Pixels, mask: Mask) -> Pixels:
    """Mixed over a tenth of the face at its edge, without any change of colours."""
    width = max(float(mask.any(0).sum()) / 20, 1.0)
    return _mixed(host, theirs, cv2.GaussianBlur(mask.astype(np.float32), (0, 0), width))


def recoloured(host: Pixels, theirs: Pixels, mask: Mask) -> Pixels:
    """Colours brought to the host's, then mixed over few pixels."""
    return _mixed(host, _toned(theirs, host, mask), cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 2))


def poisson(host: Pixels, theirs: Pixels, mask: Mask) -> Pixels:
    """Poisson's equation (Perez et al. 2003)."""
    rows, columns = np.nonzero(mask)
    cut = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    centre = (int(columns.min() + columns.max()) // 2, int(rows.min() + rows.max()) // 2)
    within = mask[cut].astype(np.uint8) * 255
    return cv2.seamlessClone(np.ascontiguousarray(theirs[cut]), host, within, centre, cv2.NORMAL_CLONE)


def banded(host: Pixels, theirs: Pixels, mask: Mask) -> Pixels:
    """Band by band of a Laplacian pyramid, each over its own width (Burt and Adelson 1983)."""
    theirs = _toned(theirs, host, mask)
    layers = [x.astype(np.float32) for x in (host, theirs, mask)]
    bands = []
    for _ in range(4):
        small = [np.asarray(cv2.pyrDown(layer), np.float32) for layer in layers]
        size = layers[0].shape[1::-1]
        mine, other = (layers[k] - cv2.pyrUp(small[k], dstsize=size) for k in (0, 1))
        bands.append(mine + layers[2][..., None] * (other - mine))
        layers = small
    mixed = layers[0] + layers[2][..., None] * (layers[1] - layers[0])
    for band in reversed(bands):
        mixed = np.asarray(cv2.pyrUp(mixed, dstsize=band.shape[1::-1]) + band)
    pixels: Pixels = np.rint(mixed).clip(0, 255).astype(np.uint8)
    return pixels


BLENDINGS: dict[str, Callable[[Pixels, Pixels, Mask], Pixels]] = {
    "feathered": feathered, "recoloured": recoloured, "Poisson": poisson, "by bands": banded,
}  # fmt: skip
