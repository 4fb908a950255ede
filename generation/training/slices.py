"""Slices of volumes as pictures: a brain along its three axes in grey levels, a CT in axial slices through a window in HU.

    grey = (HU - low) / (high - low),   low = -160 HU, high = 240 HU: soft tissue

The window is what makes a picture of a CT readable as HU again; it stands in the card of what is trained on the pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8

CT_WINDOW = (-160.0, 240.0)  # HU
LEAST_SHOWN = 0.12  # of a slice's pixels that show something
SHOWN_ABOVE = 40  # grey levels
BRAIN_SIDE = 224
WINDOWED = ("ct",)


def slices_of(path: Path, label: str) -> Iterator[UInt8[np.ndarray, "3 s s"]]:
    """Yield square pictures of those slices of a NIfTI volume that show something, centred, in radiological orientation.

    Anterior or superior is up, the patient's right on the left; in sagittal slices anterior is on the left.
    """
    import nibabel

    upright: Any = nibabel.as_closest_canonical(nibabel.load(path))
    volume = np.asarray(upright.dataobj, np.float32)
    grey, axes = (_windowed(volume), (2,)) if label in WINDOWED else (_grey(volume), (0, 1, 2))
    side = None if label in WINDOWED else BRAIN_SIDE
    for axis in axes:
        for index in range(grey.shape[axis]):
            turned = np.rot90(np.take(grey, index, axis))[:, ::-1]
            if (turned > SHOWN_ABOVE).mean() >= LEAST_SHOWN:
                yield np.repeat(_square(turned, side or max(turned.shape))[None], 3, axis=0)


def _windowed(volume: Shaped[np.ndarray, "a b c"]) -> UInt8[np.ndarray, "a b c"]:
    low, high = CT_WINDOW
    result: UInt8[np.ndarray, "a b c"] = np.rint(255 * ((volume - low) / (high - low)).clip(0, 1)).astype(np.uint8)
    return result


def _grey(volume: Shaped[np.ndarray, "a b c"]) -> UInt8[np.ndarray, "a b c"]:
    """Grey levels from the minimum to the 99.9th percentile, so that a few bright vessels do not darken the rest."""
    low, high = float(volume.min()), float(np.percentile(volume, 99.9))
    result: UInt8[np.ndarray, "a b c"] = np.rint(255 * ((volume - low) / (high - low)).clip(0, 1)).astype(np.uint8)
    return result


def _square(picture: Shaped[np.ndarray, "h w"], side: int) -> Shaped[np.ndarray, "s s"]:
    """Centred on black, cut where it is larger."""
    for axis in (0, 1):
        over = picture.shape[axis] - side
        if over > 0:
            picture = np.take(picture, np.arange(over // 2, over // 2 + side), axis)
    pads = [((side - length) // 2, side - length - (side - length) // 2) for length in picture.shape]
    return np.pad(picture, pads)
