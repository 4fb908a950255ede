"""Small pictures with known histories for the audit's tests, out of scikit-image's photographs (grid-free after reduction)."""

from __future__ import annotations

import io
from functools import cache

import cv2
import numpy as np
from PIL import Image as Pillow

from oddpixel.forensics.audit.exhibit import Exhibit, exhibit_of


@cache
def photograph(side: int = 384) -> np.ndarray:
    """Colour, with a little noise, never a JPEG as far as its grid shows."""
    from skimage import data

    picture = cv2.resize(data.astronaut(), (side + 40, side + 40), interpolation=cv2.INTER_AREA)[:side, :side]
    noisy = picture + np.random.default_rng(0).normal(0, 2, picture.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


@cache
def another(side: int = 384) -> np.ndarray:
    from skimage import data

    picture = cv2.resize(data.coffee(), (side + 60, side + 44), interpolation=cv2.INTER_AREA)[:side, :side]
    noisy = picture + np.random.default_rng(1).normal(0, 2, picture.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def png(picture: np.ndarray, **more: object) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(picture).save(file, "PNG", compress_level=1, **more)
    return file.getvalue()


def jpeg(picture: np.ndarray, quality: int, **more: object) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(picture).save(file, "JPEG", quality=quality, **more)
    return file.getvalue()


def decoded(content: bytes) -> np.ndarray:
    return np.asarray(Pillow.open(io.BytesIO(content)))


def spliced(shift: tuple[int, int] = (3, 5), quality: int = 75) -> np.ndarray:
    """A square of another JPEG on a shifted grid."""
    host = decoded(jpeg(photograph(), quality)).copy()
    donor = np.roll(decoded(jpeg(another(), quality)), shift, (0, 1))
    host[120:264, 100:244] = donor[120:264, 100:244]
    return host


def exhibit(picture: np.ndarray, quality: int | None = None) -> Exhibit:
    return exhibit_of(png(picture) if quality is None else jpeg(picture, quality))
