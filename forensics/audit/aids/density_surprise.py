"""Where a density model of photographs is surprised: finer detail rougher or smoother than it expects for the content.

The pyramid's one forward pass gives, by position, the nats by which the finest scale is surprised beyond what it expected (the
gap of Cozzolino, Poggi, Nießner and Verdoliva, ECCV 2024, without a coder). As a test it was no better than chance on generated
stills and found no manipulation that error level and noise variance do not, so it is a picture for the eye.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8

from ..exhibit import Exhibit

TILE = 256
MOST_PIXELS = (
    2**20
)  # that the model looks at; of a larger image tiles spread evenly, each standing for its surroundings
PLACE = 16  # pixels a side over which surprise is averaged
GAIN = 255.0  # grey levels a nat per detail


class DensitySurprise:
    """The surprise of a density model at the finest scale, around middle grey."""

    name = "density-surprise"
    title = "Surprise of a density model"
    explanation = (
        "Bright where the finest detail is rougher than a model of photographs expects for its surroundings, dark where it is "
        "smoother. Blur, denoising, drawing, resizing and generators all change it; so do focus and fabrics. Of large images "
        "a part is looked at, spread evenly."
    )

    def draw(self, exhibit: Exhibit) -> UInt8[np.ndarray, "h w *c"]:
        """Nats per detail times a fixed gain; 128 is no surprise."""
        height, width = exhibit.size
        cell = _cell(height, width)
        rows, columns = -(-height // cell), -(-width // cell)
        places = TILE // PLACE
        picture = np.zeros((rows * places, columns * places), np.float32)
        for row in range(rows):
            for column in range(columns):
                here = np.s_[row * places : (row + 1) * places, column * places : (column + 1) * places]
                picture[here] = _surprise(exhibit, row * cell, column * cell, places)
        scale = cell // places  # pixels of the image a place stands for
        whole: np.ndarray = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)[
            :height, :width
        ]
        shown: UInt8[np.ndarray, "h w"] = np.rint(np.clip(128 + GAIN * whole, 0, 255)).astype(np.uint8)
        return shown


AID = DensitySurprise()


def _cell(height: int, width: int) -> int:
    """Pixels between tiles, so that no more than `MOST_PIXELS` are looked at, however long and thin the image is."""
    cell = TILE * max(1, math.ceil(math.sqrt(height * width / MOST_PIXELS)))
    while -(-height // cell) * -(-width // cell) * TILE**2 > max(MOST_PIXELS, TILE**2):
        cell += TILE
    return cell


def _surprise(exhibit: Exhibit, top: int, left: int, places: int) -> np.ndarray:
    """The mean gap of the finest scale over the places of one tile; at the border of the image its mirror image goes on."""
    import torch

    from oddpixel.forensics.density.probing import views

    part = exhibit.pixels[top : top + TILE, left : left + TILE].transpose(2, 0, 1)
    missing = [(0, 0), (0, TILE - part.shape[1]), (0, TILE - part.shape[2])]
    x = torch.from_numpy(np.ascontiguousarray(np.pad(part, missing, mode="symmetric")))[None]
    finest = views(_model("photo-rgb" if len(part) == 3 else "photo-grey"), x, torch.Generator().manual_seed(0))[0]
    gap = torch.nn.functional.adaptive_avg_pool2d(finest.gap[:, None], places)[0, 0]
    each = torch.nn.functional.adaptive_avg_pool2d(finest.dims[None, None].float(), places)[0, 0]
    result: np.ndarray = (gap / each.clamp(min=1e-6)).numpy()
    return result


@cache
def _model(name: str) -> Any:
    from oddpixel.forensics.density.store import load_pyramid

    return load_pyramid(name)
